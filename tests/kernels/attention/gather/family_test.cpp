#include <gtest/gtest.h>

#include <filesystem>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/attention/gather/family.h"
#include "kernels/base/error.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

const Family& gather() {
  static const auto family = attention::make_gather_family();
  return *family;
}

Problem parsed(const std::string& text) { return gather().canonical(Problem::parse(text)); }

std::string fault_of(const std::string& problem) {
  try {
    return "accepted as " + parsed(problem).text();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
}

TEST(GatherProblem, TextIsCanonicalOrRefused) {
  EXPECT_EQ(parsed("gather kv4 ctx=7,9 batch=2  dh=64 heads=8 out=bf16 page=16").text(),
            "gather kv4 batch=2 heads=8 dh=64 ctx=7,9 page=16 out=bf16");
  EXPECT_NE(fault_of("gather kv4 batch=1 heads=1 dh=64 ctx=1 tokens=1").find("gather has no field \"tokens\""),
            std::string::npos);
  EXPECT_NE(fault_of("gather kv4 batch=1 heads=1 dh=64 ctx=0").find("0 is out of range"), std::string::npos);
  EXPECT_NE(fault_of("gather kv3 batch=1 heads=1 dh=64 ctx=1").find("unknown scheme"), std::string::npos);
}

TEST(GatherFamily, VariantIdsGoBothWays) {
  const Problem problem = parsed("gather kv8 batch=4 heads=8 dh=128 ctx=1536 out=bf16");
  const Point point{{"tokens", 64}, {"warps", 4}, {"layout", 1}, {"page", 32}};
  const std::string id = gather().variant(point, problem);
  EXPECT_EQ(id, "gather.kv8.dh128.t64.w4.fragment.p32.bf16");
  const auto back = gather().parse_variant(id, parsed("gather kv16 batch=4 heads=8 dh=64 ctx=1536"));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->first, point);
  EXPECT_EQ(back->second, problem);
  for (const char* wrong : {"", "gather.kv4.dh128.w4.t64.fragment.p64", "gather.kv4.dh128.t64.w4.fragment.p64.rope",
                            "append.kv4.dh128.w4.fragment.p64"}) {
    EXPECT_EQ(gather().parse_variant(wrong, problem), std::nullopt) << wrong;
  }
  EXPECT_EQ(gather().layout(point, problem), "fragment.p32");
  EXPECT_EQ(gather().layout_group(problem), "heads=8 dh=128");
  EXPECT_EQ(gather().size(problem), 4 * 1536);
}

TEST(GatherFamily, SaysWhyAPointIsUnsupported) {
  const Problem problem = parsed("gather kv4 batch=4 heads=8 dh=256 ctx=1536 page=64");
  const auto why = [&](const char* parameter, int value, const Device& device = test_device()) {
    Point point{{"tokens", 128}, {"warps", 8}, {"layout", 1}, {"page", 64}};
    point[parameter] = value;
    return gather().unsupported(point, problem, device).value_or("supported");
  };
  EXPECT_EQ(why("warps", 8), "supported");
  EXPECT_EQ(why("tokens", 64), "64 tokens leave some of 8 warps without 16");
  EXPECT_EQ(why("page", 16), "the problem's pages hold 64 tokens, the point's 16");
  EXPECT_EQ(why("layout", 2), "layout=2 is not one of 0, 1");
  Device small = test_device();
  small.shared_per_block_bytes = 48 * 1024;
  EXPECT_NE(why("warps", 8, small).find("shared memory"), std::string::npos);
  EXPECT_EQ(why("layout", 0, small), "supported");
}

class GatherCompiles : public testing::TestWithParam<std::string> {};

TEST_P(GatherCompiles, WithoutSpills) {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  const auto folder = std::filesystem::path(testing::TempDir()) / ("qoqtune-gather-" + GetParam());
  compile::NvrtcCompiler compiler(nvrtc, GetParam(), folder, 2);
  std::vector<Source> sources;
  for (const char* problem :
       {"gather kv4 batch=1 heads=8 dh=128 ctx=99", "gather kv8 batch=1 heads=8 dh=256 ctx=99 out=bf16",
        "gather kv16 batch=1 heads=8 dh=64 ctx=99", "gather kv16 batch=1 heads=8 dh=256 ctx=99"}) {
    for (const int layout : {0, 1})
      sources.push_back(
          gather().source({{"tokens", 64}, {"warps", 4}, {"layout", layout}, {"page", 64}}, parsed(problem)));
  }
  const auto builds = compiler.build(sources, {}, {});
  for (const compile::Build& build : builds) {
    ASSERT_TRUE(build.ok) << build.log;
    EXPECT_EQ(build.entries.begin()->second.spill_store_bytes, 0);
    EXPECT_EQ(build.entries.begin()->second.stack_bytes, 0);
    EXPECT_LE(build.entries.begin()->second.registers, 128);
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, GatherCompiles, testing::Values("sm_80", "sm_90a"),
                         [](const auto& arch) { return arch.param; });

}  // namespace
}  // namespace qoq::test
