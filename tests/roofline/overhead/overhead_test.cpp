// Counts of a kernel made up by hand, so that every number below can be checked on paper.
#include "roofline/overhead/overhead.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"

namespace qoq::roofline {
namespace {

void put(Mix& mix, Pipe pipe, const std::string& name, int count) {
  mix.pipes[static_cast<size_t>(pipe)] += count;
  mix.names[name] += count;
}

/// A main loop of 8 MMAs, `alu` LOP3s, `fma` IMADs and 10 loads; around it 5 IADD3s and 20 stores.
EntryCode kernel(int alu, int fma) {
  EntryCode code;
  Loop loop{.begin = 2, .end = 9, .mix = {}};
  for (Mix* mix : {&loop.mix, &code.mix}) {
    put(*mix, Pipe::Tensor, "IMMA", 8);
    put(*mix, Pipe::Alu, "LOP3", alu);
    put(*mix, Pipe::FmaHeavy, "IMAD", fma);
    put(*mix, Pipe::Lsu, "LDS", 10);
    put(*mix, Pipe::Control, "NOP", 3);  // not issued
  }
  put(code.mix, Pipe::Alu, "IADD3", 5);
  put(code.mix, Pipe::Lsu, "STG", 20);
  code.loops = {loop};
  code.main_loop = 0;
  return code;
}

TEST(Executed, TheMainLoopRunsAsOftenAsTheMmasAskForAndTheRestOnce) {
  // 4 warps, 320 MMAs: 80 a warp, 10 trips of 8.
  const Executed found = executed(kernel(16, 4), 320, 4);
  EXPECT_DOUBLE_EQ(found.cuda_core, 4 * (10 * 20 + 5));
  EXPECT_DOUBLE_EQ(found.alu, 4 * (10 * 16 + 5));
  EXPECT_DOUBLE_EQ(found.issued, 4 * (10 * 38 + 25));
}

TEST(Executed, WithoutALoopOfMmasEverythingCountsOnce) {
  EntryCode code = kernel(16, 4);
  code.main_loop.reset();
  EXPECT_DOUBLE_EQ(executed(code, 320, 4).cuda_core, 4 * 25.0);
  EXPECT_DOUBLE_EQ(executed(kernel(16, 4), 0, 4).cuda_core, 4 * 25.0) << "a launch without MMAs";
  EXPECT_THROW(executed(code, 320, 0), Error);
}

TEST(Overhead, IsSpreadOverStoredAndOverTakenElements) {
  const Executed whole = executed(kernel(16, 4), 320, 4), bare = executed(kernel(2, 2), 320, 4);
  const Overhead found = overhead(whole, bare, 1000, 4000);
  EXPECT_DOUBLE_EQ(found.whole.per_element, 32 * 820 / 1000.0);
  EXPECT_DOUBLE_EQ(found.whole.per_taken, 32 * 820 / 4000.0);
  EXPECT_DOUBLE_EQ(found.whole.share_of_issue, 820 / 1620.0);
  ASSERT_TRUE(found.dequantisation);
  EXPECT_DOUBLE_EQ(found.dequantisation->per_element, 32 * (820 - 180) / 1000.0);
  EXPECT_DOUBLE_EQ(found.dequantisation->share_of_issue, (820 - 180) / 1620.0) << "of what the kernel itself issues";
}

TEST(Overhead, WithoutAnAblationThereIsOnlyTheWhole) {
  EXPECT_FALSE(overhead(executed(kernel(16, 4), 320, 4), std::nullopt, 1000, 4000).dequantisation);
  EXPECT_THROW(overhead(executed(kernel(16, 4), 320, 4), std::nullopt, 0, 4000), Error);
}

}  // namespace
}  // namespace qoq::roofline
