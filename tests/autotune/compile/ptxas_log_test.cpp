#include "autotune/compile/ptxas_log.h"

#include <gtest/gtest.h>

namespace qoq::compile {
namespace {

// As NVRTC 13.0 writes it, lines in its order: entries come last first, called functions behind their caller.
constexpr const char* nvrtc_log = R"(source.cu(3): warning #177-D: variable "Used" was declared but never referenced
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'caller' for 'sm_80'
ptxas info    : Function properties for caller
ptxas         .     40 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 27 registers, used 0 barriers, 40 bytes cumulative stack size, 360 bytes cmem[0]
ptxas info    : Compile time = 3.770 ms
ptxas info    : Compiling entry function 'spiller' for 'sm_80'
ptxas info    : Function properties for spiller
ptxas         .     64 bytes stack frame, 56 bytes spill stores, 52 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 64 bytes cumulative stack size, 360 bytes cmem[0]
ptxas info    : Compiling entry function 'sharer' for 'sm_80'
ptxas info    : Function properties for sharer
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 9 registers, used 1 barriers, 256 bytes smem, 360 bytes cmem[0]
)";

TEST(PtxasLog, ReadsEveryEntry) {
  const auto entries = parse_ptxas_log(nvrtc_log);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries.at("caller"), (EntryResources{27, 0, 0, 0, 40}));
  EXPECT_EQ(entries.at("spiller"), (EntryResources{32, 0, 56, 52, 64}));
  EXPECT_EQ(entries.at("sharer"), (EntryResources{9, 256, 0, 0, 0}));
}

TEST(PtxasLog, SpillsOfCalledFunctionsCountForEveryEntry) {
  const auto entries = parse_ptxas_log(R"(
ptxas info    : Compiling entry function 'entry' for 'sm_90a'
ptxas info    : Function properties for entry
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 1024 bytes smem
ptxas info    : Function properties for _Z6calledv
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
)");
  EXPECT_EQ(entries.at("entry"), (EntryResources{168, 1024, 8, 12, 16}));
}

TEST(PtxasLog, NothingFromNothing) { EXPECT_TRUE(parse_ptxas_log("").empty()); }

}  // namespace
}  // namespace qoq::compile
