// The clocks: prediction from a real cubin (NVRTC), measurement through a scripted timer.
#include "autotune/tune/timing.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>

#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/families.h"
#include "roofline/model/model.h"
#include "tests/autotune/store/synthetic.h"
#include "tests/autotune/tune/fakes.h"

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

/// A decode kernel in small: a loop of half-precision MMAs that leaves partial sums, and a second entry, without MMAs,
/// that adds them up.
class TwoLaunches final : public testing::ToyFamily {
 public:
  Source source(const Point&, const Problem&) const override {
    return {R"(#include "kernels/prim/prim.cuh"
namespace toy {
using namespace qoq;
using namespace qoq::prim;
struct Args { const u32* in; float* partials; float* out; i32 trips, splits; };
QOQ_DEVICE void multiply(const Args& args) {
  float sums[4] = {};
  const u32* in = args.in + thread_index();
  for (i32 trip = 0; trip < args.trips; ++trip, in += 192) {
    const u32 a[4] = {load_global(in), load_global(in + 32), load_global(in + 64), load_global(in + 96)};
    const u32 b[2] = {load_global(in + 128), load_global(in + 160)};
    mma_f16(sums, a, b);
  }
  store_global(args.partials + block_index_x() * 32 + thread_index(), sums[0] + sums[1] + sums[2] + sums[3]);
}
QOQ_DEVICE void merge(const Args& args) {
  float sum = 0;
  for (i32 split = 0; split < args.splits; ++split)
    sum = sum + load_global(args.partials + split * 32 + thread_index());
  store_global(args.out + thread_index(), sum);
}
}  // namespace toy
QOQ_ENTRY(toy_multiply, toy::multiply, toy::Args, 32, 1)
QOQ_ENTRY(toy_merge, toy::merge, toy::Args, 32, 1)
)",
            {"toy_multiply", "toy_merge"}};
  }
  Plan plan(const Point& point, const Problem&, const Device&) const override {
    Plan plan{{{"toy_multiply", {512}, {32}, {}, 0}}, {{"partials", 512 * 128, 256, Workspace::Init::None}}};
    if (point.at("a") == 1) plan.launches.push_back({"toy_merge", {16}, {32}, {}, 0});
    return plan;
  }
  Work work(const Problem&) const override { return {512 * 64 * 4096.0, "fp16", 25e6, 64e3}; }
  Traffic traffic(const Point&, const Problem&, const Device&) const override {
    return {25e6, 64e3, 25e6, 512 * 64.0, 2};
  }
};

TEST_F(PredictingClockTest, AddsUpAPlansLaunches) {
  const TwoLaunches family;
  const Problem problem = Problem::parse("toy i4 m=1 n=8");
  const Target target = resolve_targets({"sim:a100-80"}).front();
  compile::NvrtcCompiler compiler(compile::Nvrtc::open(), target.device.architecture(), folder_.path(), 1);
  const Source source = family.source({}, problem);
  const compile::Build built = compiler.build(std::span(&source, 1), {}, {}).front();
  ASSERT_TRUE(built.ok) << built.log;
  const auto clock = make_predicting_clock(target);
  const Timing one = clock->time(family, {{"a", 0}}, problem, built);
  const Timing both = clock->time(family, {{"a", 1}}, problem, built);
  ASSERT_EQ(one.failure + both.failure, "");

  const auto alone = nlohmann::json::parse(one.details), details = nlohmann::json::parse(both.details);
  EXPECT_FALSE(alone.contains("launches"));
  ASSERT_EQ(details["launches"].size(), 2u);
  EXPECT_EQ(details["launches"][0]["entry"], "toy_multiply");
  EXPECT_EQ(details["launches"][0]["total_us"], one.median_us) << "the first one does the work, merged or not";
  EXPECT_EQ(details["launches"][1]["entry"], "toy_merge");
  const double merge_us = details["launches"][1]["total_us"];
  EXPECT_DOUBLE_EQ(both.median_us, one.median_us + merge_us);
  EXPECT_GE(merge_us, target.sheet->launch_us.value + target.sheet->block_us.value);
  EXPECT_LT(merge_us, one.median_us) << "64 KB against 25 MB";
  EXPECT_EQ(details["limiter"], alone["limiter"]) << "the longest launch's";
  EXPECT_EQ(details["parts_us"]["dram"], alone["parts_us"]["dram"]) << "partial sums stay in L2";
  EXPECT_DOUBLE_EQ(details["parts_us"]["launch"].get<double>(), 2 * target.sheet->launch_us.value);
  EXPECT_GT(details["parts_us"]["tensor"].get<double>(), 0);
}

TEST(TrafficOf, ALaterLaunchReadsWhatTheFirstOneLeft) {
  Device device;
  device.l2_bytes = 1000;
  Plan plan{{{}, {}}, {{"partials", 600, 256, Workspace::Init::None}, {"sums", 400, 256, Workspace::Init::None}}};
  const Traffic family{7, 8, 9, 10, 4};
  EXPECT_EQ(roofline::traffic_of(plan, 0, family, device).mma_instructions, 10);
  Traffic later = roofline::traffic_of(plan, 1, family, device);
  EXPECT_EQ(later.l2_read_bytes, 1000);
  EXPECT_EQ(later.dram_read_bytes, 0);
  EXPECT_EQ(later.dram_write_bytes, 0);
  EXPECT_EQ(later.mma_instructions, 0);
  plan.workspaces[0].bytes = 601;
  later = roofline::traffic_of(plan, 1, family, device);
  EXPECT_EQ(later.dram_read_bytes, 1001) << "what does not fit into L2 comes from memory";
}

TEST(Timing, HandsOnWhatTheSampleSaw) {
  measure::Sample sample;
  sample.samples_us = {3, 4, 5};
  sample.median_us = 4;
  sample.relative_iqr = 0.25;
  sample.settled = true;
  sample.stopped_by = "relative-iqr";
  sample.gpu_s = 0.5;
  const auto time = [&] { return timing_of(sample, {measure::Cache::Cold, measure::LaunchMode::Graph}); };

  Timing timing = time();
  EXPECT_EQ(timing.source, store::Source::Measured);
  EXPECT_EQ(timing.samples_us, sample.samples_us);
  EXPECT_EQ(timing.median_us, 4);
  EXPECT_EQ(timing.relative_iqr, 0.25);
  EXPECT_EQ(timing.gpu_s, 0.5);
  EXPECT_EQ(timing.details,
            R"({"cache":"cold","launch":"graph","settled":true,"stopped_by":"relative-iqr","throttled":false})");

  sample.throttled = 4;
  sample.discarded = 3;
  sample.sm_mhz = 1980;
  EXPECT_EQ(time().details, R"({"cache":"cold","launch":"graph","settled":true,"stopped_by":"relative-iqr",)"
                            R"("sm_mhz":1980.0,"discarded":3,"throttled":true})");
  sample.failure = "did not end within 10 s";
  sample.timed_out = true;
  EXPECT_EQ(time().failure, "did not end within 10 s");
  EXPECT_TRUE(time().timed_out);
}

}  // namespace
}  // namespace qoq::tune
