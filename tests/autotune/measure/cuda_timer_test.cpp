#include "autotune/measure/cuda_timer.h"

#include <gtest/gtest.h>

#include "autotune/compile/nvrtc_compiler.h"
#include "tests/autotune/compile/tiny_source.h"
#include "tests/autotune/verify/tiny_family.h"

namespace qoq::measure {
namespace {

TEST(CudaTimer, TimesAMemoryBoundKernelBelowTheSpeedOfLight) {
  const auto attached = runtime::list_attached_gpus();
  if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
  const auto nvrtc = compile::Nvrtc::open();
  if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
  compile::ScratchFolder folder;
  const Point point = {{"fault", 0}};
  const std::vector<Source> sources = {TinyFamily().source(point, {})};
  compile::NvrtcCompiler compiler(nvrtc, attached.gpus[0].device.architecture(), folder.path(), 1);
  const auto build = compiler.build(sources, {}, {})[0];
  ASSERT_TRUE(build.ok) << build.log;

  CudaTimer timer{runtime::CudaDevice(0)};
  const Problem small = Problem::parse("tiny i32 n=16777216"), large = Problem::parse("tiny i32 n=67108864");
  const Sample one = timer.time(TinyFamily(), point, small, build.object);
  ASSERT_EQ(one.failure, "");
  EXPECT_GE(one.samples_us.size(), 10u);
  EXPECT_EQ(one.cache, "weights-cold");
  EXPECT_EQ(one.launch, "eager");
  // 64 MiB in and 64 MiB out: a cached or empty run would be faster than 20 TB/s, a broken clock slower than 10 GB/s.
  EXPECT_GT(one.median_us, 128 * 1.048576 / 20);
  EXPECT_LT(one.median_us, 128 * 1.048576e3 / 10);
  const Sample four = timer.time(TinyFamily(), point, large, build.object);
  EXPECT_NEAR(four.median_us / one.median_us, 4, 1);

  const Sample missing = timer.time(TinyFamily(), point, small, folder.path() / "nothing.cubin");
  EXPECT_NE(missing.failure, "");
  EXPECT_TRUE(missing.samples_us.empty());
}

}  // namespace
}  // namespace qoq::measure
