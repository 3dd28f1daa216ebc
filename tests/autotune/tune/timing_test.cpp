// The clocks: prediction from a real cubin (NVRTC), measurement through a scripted timer.
#include "autotune/tune/timing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/families.h"
#include "roofline/model/model.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::tune {
namespace {

class PredictingClockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto nvrtc = compile::Nvrtc::open(); !nvrtc) GTEST_SKIP() << nvrtc.reason;
  }
  compile::Build build(const Target& target, const Point& point, const Problem& problem) {
    compile::NvrtcCompiler compiler(compile::Nvrtc::open(), target.device.architecture(), folder_.path(), 1);
    const Source source = family_.source(point, problem);
    return compiler.build(std::span(&source, 1), {}, {}).front();
  }

  store::testing::Folder folder_;
  const Family& family_ = family_named("gemm/mma");
};

TEST_F(PredictingClockTest, PredictsFromARealCubin) {
  const Problem small = parse_problem("gemm w4a8-g128 m=64 n=4096 k=4096");
  const Problem large = parse_problem("gemm w4a8-g128 m=64 n=28672 k=4096");
  const Target target = resolve_targets({"sim:a100-80"}).front();
  const Point point = *family_.published(small);
  const compile::Build built = build(target, point, small);
  ASSERT_TRUE(built.ok) << built.log;
  const auto clock = make_predicting_clock(target);
  const Timing timing = clock->time(family_, point, small, built);
  EXPECT_EQ(timing.failure, "");
  EXPECT_EQ(timing.source, store::Source::Predicted);
  EXPECT_GT(timing.median_us, roofline::speed_of_light_us(*target.sheet, family_.work(small)));
  EXPECT_TRUE(timing.samples_us.empty()) << "a prediction has no samples";
  const auto details = nlohmann::json::parse(timing.details);
  for (const char* key : {"parts_us", "limiter", "ctas_per_sm", "waves", "tail_efficiency"})
    EXPECT_TRUE(details.contains(key)) << key;
  EXPECT_TRUE(details["parts_us"].contains("dram"));

  EXPECT_GT(clock->time(family_, point, large, built).median_us, 3 * timing.median_us) << "seven times the weights";
  EXPECT_EQ(clock->time(family_, point, small, built).median_us, timing.median_us) << "the same every time";
}

TEST_F(PredictingClockTest, RemembersACubin) {
  const Problem problem = parse_problem("gemm w4a8-g128 m=64 n=4096 k=4096");
  const Target target = resolve_targets({"sim:a100-80"}).front();
  const Point point = *family_.published(problem);
  const compile::Build built = build(target, point, problem);
  const auto clock = make_predicting_clock(target);
  const double first = clock->time(family_, point, problem, built).median_us;
  std::filesystem::remove(built.object);
  EXPECT_EQ(clock->time(family_, point, problem, built).median_us, first);
}

class ScriptedTimer final : public measure::Timer {
 public:
  explicit ScriptedTimer(measure::Sample sample) : sample_(std::move(sample)) {}
  measure::Sample time(const Family&, const Point&, const Problem&, const std::filesystem::path& object) override {
    EXPECT_EQ(object, "the.cubin");
    return sample_;
  }

 private:
  measure::Sample sample_;
};

TEST(MeasuringClock, HandsOnWhatTheTimerSaw) {
  measure::Sample sample;
  sample.samples_us = {3, 4, 5};
  sample.median_us = 4;
  sample.relative_iqr = 0.25;
  sample.settled = true;
  sample.cache = "weights-cold";
  sample.launch = "eager";
  compile::Build build;
  build.object = "the.cubin";
  const Family& family = family_named("gemm/mma");
  const Problem problem = parse_problem("gemm w4a8-g128 m=64 n=4096 k=4096");
  const auto time = [&] {
    return make_measuring_clock(std::make_unique<ScriptedTimer>(sample))->time(family, {}, problem, build);
  };

  Timing timing = time();
  EXPECT_EQ(timing.source, store::Source::Measured);
  EXPECT_EQ(timing.samples_us, sample.samples_us);
  EXPECT_EQ(timing.median_us, 4);
  EXPECT_EQ(timing.relative_iqr, 0.25);
  EXPECT_EQ(timing.details, R"({"cache":"weights-cold","launch":"eager","settled":true})");

  sample.throttled = true;
  EXPECT_NE(time().details.find(R"("throttled":true)"), std::string::npos);
  sample.failure = "the launch failed";
  EXPECT_EQ(time().failure, "the launch failed");
}

}  // namespace
}  // namespace qoq::tune
