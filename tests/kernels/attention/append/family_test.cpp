#include <gtest/gtest.h>

#include <filesystem>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/attention/append/family.h"
#include "kernels/base/error.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

const Family& append() {
  static const auto family = attention::make_append_family();
  return *family;
}

Problem parsed(const std::string& text) { return append().canonical(Problem::parse(text)); }

std::string fault_of(const std::string& problem) {
  try {
    return "accepted as " + parsed(problem).text();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
}

TEST(AppendProblem, TextIsCanonical) {
  EXPECT_EQ(parsed("append kv4 ctx=7 batch=2  dh=64 heads=8").text(), "append kv4 batch=2 heads=8 dh=64 ctx=7");
  EXPECT_EQ(parsed("append kv8 batch=2 heads=8 dh=64 ctx=7,7 tokens=1 rope=0 in=fp16").text(),
            "append kv8 batch=2 heads=8 dh=64 ctx=7");
  EXPECT_EQ(parsed("append kv16 batch=2 heads=8 dh=256 ctx=9,8 in=bf16 page=32 rope=1 tokens=8").text(),
            "append kv16 batch=2 heads=8 dh=256 ctx=9,8 tokens=8 rope=1 page=32 in=bf16");
}

TEST(AppendProblem, RefusesWithASentence) {
  const std::pair<const char*, const char*> cases[] = {
      {"gemm kv4 batch=1", "neither an append nor a gather"},
      {"append kv2 batch=1 heads=1 dh=64 ctx=1", "unknown scheme \"kv2\""},
      {"append kv4 heads=1 dh=64 ctx=1", "lacks batch="},
      {"append kv4 batch=1 heads=1 dh=64", "lacks ctx="},
      {"append kv4 batch=1 heads=0 dh=64 ctx=1", "heads=0 is out of range"},
      {"append kv4 batch=1 heads=1 dh=96 ctx=1", "dh=96 is not one of 64, 128, 256"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=1 page=48", "page=48 is not one of 16, 32, 64, 128"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=131073", "131073 is out of range"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=1,x", "\"x\" is not a whole number"},
      {"append kv4 batch=3 heads=1 dh=64 ctx=1,2", "lists 2 lengths for batch=3"},
      {"append kv4 batch=2 heads=1 dh=64 ctx=5,9 tokens=6", "5 is less than tokens=6"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=1 tokens=0", "tokens=0 is out of range"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=1 rope=neox", "neither 0 nor 1"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=1 in=fp8", "in=fp8 is unknown"},
      {"append kv4 batch=1 heads=1 dh=64 ctx=1 out=fp16", "append has no field \"out\""},
  };
  for (const auto& [problem, sentence] : cases)
    EXPECT_NE(fault_of(problem).find(sentence), std::string::npos) << problem << ": " << fault_of(problem);
}

TEST(AppendFamily, VariantIdsGoBothWays) {
  const Problem problem = parsed("append kv4 batch=4 heads=8 dh=128 ctx=1536 rope=1 in=bf16");
  const Point point{{"warps", 4}, {"layout", 1}, {"page", 64}};
  const std::string id = append().variant(point, problem);
  EXPECT_EQ(id, "append.kv4.dh128.w4.fragment.p64.rope.bf16");
  const auto back = append().parse_variant(id, parsed("append kv16 batch=4 heads=8 dh=64 ctx=1536"));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->first, point);
  EXPECT_EQ(back->second, problem);
  EXPECT_EQ(append().variant({{"warps", 1}, {"layout", 0}, {"page", 16}},
                             parsed("append kv8 batch=4 heads=8 dh=64 ctx=1536")),
            "append.kv8.dh64.w1.qserve.p16");
  for (const char* wrong :
       {"", "append", "append.kv4.dh128.w4.fragment", "append.kv4.dh128.wx.fragment.p64",
        "append.kv4.dh128.w4.rowmajor.p64", "append.kv5.dh128.w4.fragment.p64", "append.kv4.dh96.w4.fragment.p64",
        "append.kv4.dh128.w4.fragment.p64.turbo", "gather.kv4.dh128.t64.w4.fragment.p64"}) {
    EXPECT_EQ(append().parse_variant(wrong, problem), std::nullopt) << wrong;
  }
}

TEST(AppendFamily, NamesLayoutsAndGroups) {
  const Problem problem = parsed("append kv4 batch=4 heads=8 dh=128 ctx=1536 tokens=3");
  EXPECT_EQ(append().layout({{"warps", 4}, {"layout", 1}, {"page", 64}}, problem), "fragment.p64");
  EXPECT_EQ(append().layout({{"warps", 4}, {"layout", 0}, {"page", 128}}, problem), "qserve.p128");
  EXPECT_EQ(append().layout_group(problem), "heads=8 dh=128");
  EXPECT_EQ(append().size(problem), 12);
}

TEST(AppendFamily, SaysWhyAPointIsUnsupported) {
  const Problem problem = parsed("append kv16 batch=4 heads=8 dh=256 ctx=1536 page=64");
  const auto why = [&](const char* parameter, int value, const Device& device = test_device()) {
    Point point{{"warps", 8}, {"layout", 1}, {"page", 64}};
    point[parameter] = value;
    return append().unsupported(point, problem, device).value_or("supported");
  };
  EXPECT_EQ(why("warps", 8), "supported");
  EXPECT_EQ(why("warps", 3), "warps=3 is not one of 1, 2, 4, 8");
  EXPECT_EQ(why("page", 32), "the problem's pages hold 64 tokens, the point's 32");
  EXPECT_NE(why("ablated", 1).find("no ablation"), std::string::npos);
  Device small = test_device();
  small.shared_per_block_bytes = 48 * 1024;
  EXPECT_NE(why("warps", 8, small).find("needs 67584 bytes of shared memory"), std::string::npos)
      << why("warps", 8, small);
  EXPECT_EQ(why("warps", 4, small), "supported");
  Device old = test_device();
  old.compute_capability = 75;
  EXPECT_NE(why("warps", 8, old).find("sm_80"), std::string::npos);
}

TEST(AppendFamily, WorkIsEachByteOnce) {
  const Problem problem = parsed("append kv4 batch=2 heads=3 dh=64 ctx=100 tokens=5 rope=1");
  const Work work = append().work(problem);
  EXPECT_EQ(work.write_bytes, 2 * 2 * 5 * 3 * (32 + 4));             // sides, sequences, tokens, heads
  EXPECT_EQ(work.read_bytes, 2 * 2 * 5 * 3 * 128 + 2 * 5 * 64 * 4);  // and the angles
  const Point fragment{{"warps", 1}, {"layout", 1}, {"page", 16}}, qserve{{"warps", 1}, {"layout", 0}, {"page", 16}};
  EXPECT_EQ(append().traffic(qserve, problem, test_device()).dram_read_bytes, work.read_bytes);
  EXPECT_GT(append().traffic(fragment, problem, test_device()).dram_read_bytes, work.read_bytes);
}

class AppendCompiles : public testing::TestWithParam<std::string> {};

TEST_P(AppendCompiles, WithoutSpills) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const auto folder = std::filesystem::path(testing::TempDir()) / ("qoqtune-append-" + GetParam());
  compile::NvrtcCompiler compiler(nvrtc, GetParam(), folder, 2);
  std::vector<Source> sources;
  for (const char* problem :
       {"append kv4 batch=1 heads=8 dh=128 ctx=99 rope=1", "append kv8 batch=1 heads=8 dh=256 ctx=99 in=bf16 rope=1",
        "append kv16 batch=1 heads=8 dh=64 ctx=99 rope=1", "append kv4 batch=1 heads=8 dh=256 ctx=99"}) {
    for (const int layout : {0, 1})
      sources.push_back(append().source({{"warps", 4}, {"layout", layout}, {"page", 64}}, parsed(problem)));
  }
  const auto builds = compiler.build(sources, {}, {});
  for (const compile::Build& build : builds) {
    ASSERT_TRUE(build.ok) << build.log;
    EXPECT_EQ(build.entries.begin()->second.spill_store_bytes, 0);
    EXPECT_EQ(build.entries.begin()->second.stack_bytes, 0);
    EXPECT_LE(build.entries.begin()->second.registers, 96);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, AppendCompiles, testing::Values("sm_80", "sm_90a"),
                         [](const auto& arch) { return arch.param; });

}  // namespace
}  // namespace qoq::test
