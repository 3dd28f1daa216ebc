// What the ceilings' main loops are made of, from their machine code: the intended instruction and next to nothing
// else.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/base/file.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/kernels/ceiling/every_ceiling.h"

namespace qoq::test {
namespace {

using roofline::Mix;

struct Intended {
  const char* id;
  std::vector<const char*> names;  ///< of the instruction, as the table of opcodes has them
  int count;                       ///< in the loop
  double share;                    ///< of what the loop issues, at least
  const char* only = "";           ///< the one architecture that has it
};

const std::vector<Intended>& table() {
  static const std::vector<Intended> all = {
      {"issue.iadd3.t512.c8", {"IADD3"}, 256, 0.95},
      {"issue.lop3.t512.c8", {"LOP3"}, 256, 0.95},
      {"issue.imad.t512.c8", {"IMAD"}, 256, 0.95},
      {"issue.prmt.t512.c8", {"PRMT"}, 256, 0.95},
      {"issue.shf.t512.c8", {"SHF"}, 256, 0.95},
      {"issue.hfma2.t512.c8", {"HFMA2", "HFMA2.MMA"}, 256, 0.95},
      {"issue.ffma.t512.c8", {"FFMA"}, 256, 0.95},
      // Four clocks of the SM's shared memory each, beside two sums of half a clock.
      {"shared.t512.c8", {"LDS"}, 256, 0.32},
      {"mma.int8.t256.r4.c4", {"IMMA"}, 128, 0.95},
      {"mma.fp16.t256.r4.c4", {"HMMA"}, 128, 0.95},
      // As many loads as are to be in flight, none split or left out.
      {"read.t256.u8.x4", {"LDG"}, 8, 0.2},
      {"copy.t256.u4.x4", {"LDG", "STG"}, 8, 0.4},
      {"l2.t256.u8.x4", {"LDG"}, 8, 0.2},
      // 128 clocks of the SM's tensor cores each, beside a few that name its operands.
      {"wgmma.int8.t256.n256", {"IGMMA"}, 8, 0.1, "sm_90a"},
      {"wgmma.int8.t256.n128", {"IGMMA"}, 16, 0.1, "sm_90a"},
  };
  return all;
}

NamedVariant variant_of(const Intended& intended) {
  const std::string id = intended.id;
  const std::string scheme = id.substr(0, id.find(".t"));
  for (const Problem& problem : every_ceiling()) {
    if (problem.scheme == scheme) return find_variant(id, problem);
  }
  throw std::runtime_error(id);
}

class CeilingInstructions : public testing::TestWithParam<std::string> {};

TEST_P(CeilingInstructions, TheLoopHoldsWhatItMeasures) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const auto folder = std::filesystem::path(testing::TempDir()) / ("qoqtune-ceiling-" + GetParam());
  compile::NvrtcCompiler compiler(nvrtc, GetParam(), folder, 2);
  for (const Intended& intended : table()) {
    if (*intended.only != '\0' && GetParam() != intended.only) continue;
    const NamedVariant named = variant_of(intended);
    const Source source = named.family->source(named.point, named.problem);
    const compile::Build build = compiler.build(std::span(&source, 1), {}, {}).front();
    ASSERT_TRUE(build.ok) << build.log;
    EXPECT_EQ(build.log.find("are serialized"), std::string::npos) << build.log;
    EXPECT_EQ(build.entries.begin()->second.spill_store_bytes, 0) << intended.id;
    EXPECT_EQ(build.entries.begin()->second.stack_bytes, 0) << intended.id;
    const std::string cubin = read_file(build.object);
    const auto code = roofline::read_cubin(std::as_bytes(std::span(cubin)));
    ASSERT_EQ(code.size(), 1u);
    int found = 0, issued = 0;
    for (const roofline::Loop& loop : code[0].loops) {
      int here = 0;
      for (const char* name : intended.names) here += loop.mix.named(name);
      if (here > found) found = here, issued = loop.mix.issued();
    }
    fmt::print("{} {}: {} of {} issued, {} registers\n", GetParam(), intended.id, found, issued, code[0].registers);
    EXPECT_EQ(code[0].unknown(), 0) << intended.id;
    EXPECT_NEAR(found, intended.count, intended.count < 100 ? 0 : 2) << roofline::describe(code[0]);
    EXPECT_GE(found, intended.share * issued) << roofline::describe(code[0]);
    for (const roofline::Loop& loop : code[0].loops) {
      if (loop.mix.issued() != issued) continue;
      std::string mix;
      for (const auto& [name, count] : loop.mix.names) mix += fmt::format(" {} {}", count, name);
      RecordProperty(intended.id, mix);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, CeilingInstructions, testing::Values("sm_80", "sm_89", "sm_90a"),
                         [](const auto& arch) { return arch.param; });

}  // namespace
}  // namespace qoq::test
