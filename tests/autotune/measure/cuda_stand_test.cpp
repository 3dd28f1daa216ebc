#include "autotune/measure/cuda_stand.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/measure/race.h"
#include "autotune/measure/sampling.h"
#include "tests/autotune/compile/tiny_source.h"
#include "tests/autotune/verify/tiny_family.h"

namespace qoq::measure {
namespace {

/// A kernel that copies n words, built for the attached GPU.
class CudaStandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto attached = runtime::list_attached_gpus();
    if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
    const auto nvrtc = compile::Nvrtc::open();
    if (!nvrtc) GTEST_SKIP() << nvrtc.reason;
    const std::vector<Source> sources = {TinyFamily().source(point_, {})};
    compile::NvrtcCompiler compiler(nvrtc, attached.gpus[0].device.architecture(), folder_.path(), 1);
    const auto build = compiler.build(sources, {}, {})[0];
    ASSERT_TRUE(build.ok) << build.log;
    object_ = build.object;
    stand_ = std::make_unique<CudaStand>(runtime::CudaDevice(0));
  }

  Subject subject(int64_t words) const {
    return {&family_, point_, Problem::parse(fmt::format("tiny i32 n={}", words)), object_};
  }
  Sample time(int64_t words, Modes modes) {
    const auto lane = stand_->lane(subject(words), modes);
    Sample sample = take_sample(*lane, *stand_, {}, false);
    fmt::print("n={:<9} {:<12} {:<6} {:8.2f} us, iqr {:.2f} %, {} samples ({}), {:.0f} MHz, {} discarded\n", words,
               to_text(modes.cache), to_text(modes.launch), sample.median_us, sample.relative_iqr * 100,
               sample.samples_us.size(), sample.stopped_by, sample.sm_mhz, sample.discarded);
    return sample;
  }

  const TinyFamily family_;
  const Point point_ = {{"fault", 0}};
  compile::ScratchFolder folder_;
  std::filesystem::path object_;
  std::unique_ptr<CudaStand> stand_;
};

TEST_F(CudaStandTest, TimesAMemoryBoundKernelInEveryMode) {
  constexpr int64_t small = 1 << 20;  // 4 MiB in, 4 MiB out: fits every L2 cache
  std::map<std::pair<Cache, LaunchMode>, Sample> samples;
  for (const Cache cache : {Cache::WeightsCold, Cache::Cold, Cache::Hot}) {
    for (const LaunchMode launch : {LaunchMode::Eager, LaunchMode::Graph}) {
      const Sample sample = time(small, {cache, launch});
      ASSERT_EQ(sample.failure, "");
      EXPECT_GE(sample.samples_us.size(), 10u);
      EXPECT_GT(sample.sm_mhz, 200);
      EXPECT_LT(sample.sm_mhz, 4000);
      samples[{cache, launch}] = sample;
    }
  }
  const auto median = [&](Cache cache, LaunchMode launch) { return samples[{cache, launch}].median_us; };
  EXPECT_LT(median(Cache::Hot, LaunchMode::Graph), median(Cache::WeightsCold, LaunchMode::Graph));
  EXPECT_LT(median(Cache::Hot, LaunchMode::Graph), median(Cache::Cold, LaunchMode::Eager));
  // A graph saves launches, it does not change the work.
  EXPECT_LT(median(Cache::WeightsCold, LaunchMode::Graph), 1.3 * median(Cache::WeightsCold, LaunchMode::Eager));
}

TEST_F(CudaStandTest, TimesGrowWithTheWork) {
  const Sample one = time(1 << 24, {}), four = time(1 << 26, {});
  // 64 MiB in and 64 MiB out: a cached or empty run would be faster than 20 TB/s, a broken clock slower than 10 GB/s.
  EXPECT_GT(one.median_us, 128 * 1.048576 / 20);
  EXPECT_LT(one.median_us, 128 * 1.048576e3 / 10);
  EXPECT_NEAR(four.median_us / one.median_us, 4, 1);
}

TEST_F(CudaStandTest, TenMediansOfTheSameVariantAgree) {
  for (const auto& [words, most] : {std::pair{1 << 25, 0.01}, {1 << 19, 0.02}}) {
    std::vector<double> medians;
    for (int i = 0; i < 10; ++i) medians.push_back(time(words, {}).median_us);
    const auto [least, greatest] = std::ranges::minmax(medians);
    fmt::print("10 medians of n={}: {:.2f} to {:.2f} us, {:.2f} %\n", words, least, greatest,
               (greatest / least - 1) * 100);
    EXPECT_LT(greatest / least - 1, most);
  }
}

TEST_F(CudaStandTest, RacesTheFasterLaneToTheFront) {
  const auto slow = stand_->lane(subject(1 << 25), {}), fast = stand_->lane(subject((1 << 25) - (1 << 21)), {});
  Lane* const lanes[] = {slow.get(), fast.get()};
  for (Lane* lane : lanes) lane->warm_up(20);
  const RaceResult result = race(lanes, 0, *stand_, {});
  fmt::print("{}\n", result.reason);
  EXPECT_EQ(result.winner, 1u);
}

TEST_F(CudaStandTest, AFileThatIsNoCubinCostsOnlyItsOwnLane) {
  Subject missing = subject(1 << 20);
  missing.object = folder_.path() / "nothing.cubin";
  EXPECT_THROW(stand_->lane(missing, {}), Error);
  EXPECT_EQ(time(1 << 20, {}).failure, "");
}

TEST_F(CudaStandTest, ReplaysForCounters) {
  const CudaStand::Replay replay = stand_->replay(subject(1 << 20));
  for (int pass = 0; pass < 3; ++pass) {
    replay.reset();
    replay.run();
  }
}

}  // namespace
}  // namespace qoq::measure
