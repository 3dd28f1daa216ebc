#include "autotune/counters/ladder.h"

#include <gtest/gtest.h>

#include "autotune/counters/cupti.h"
#include "autotune/counters/range_profiler.h"
#include "kernels/runtime/driver.h"

namespace qoq::counters {
namespace {

const Known known{.instruction_mix = {{"mix_tensor", 32}}, .prediction = {{"predicted_us", 16.5}}};
const Attempt counted{.values = {{"cycles", 1000}}, .passes = 9, .reason = {}};
const Attempt traced{.values = {{"activity_us", 17}, {"launches", 1}}, .passes = 5, .reason = {}};

Attempt failed(const std::string& reason) { return {.values = {}, .passes = 0, .reason = reason}; }

TEST(Ladder, CountersAreTheBestAndNeedNoReason) {
  for (const Attempt& activity : {traced, failed("no trace")}) {
    const CounterReading reading = choose_rung(counted, activity, known);
    EXPECT_EQ(reading.rung, Rung::Counters);
    EXPECT_EQ(reading.values, counted.values);  // neither mix nor prediction among what was counted
    EXPECT_EQ(reading.passes, 9);
    EXPECT_EQ(reading.reason, "");
  }
}

TEST(Ladder, ActivityBesideTheInstructionMixWhenCountersAreRefused) {
  for (const int result : {35, 26, 39, 40, 41, 43}) {
    const CounterReading reading = choose_rung(failed(advice(result)), traced, known);
    EXPECT_EQ(reading.rung, Rung::Activity);
    EXPECT_EQ(reading.values, (Values{{"activity_us", 17}, {"launches", 1}, {"mix_tensor", 32}}));
    EXPECT_EQ(reading.passes, 5);
    EXPECT_EQ(reading.reason, "no counters: " + advice(result));
  }
}

TEST(Ladder, PredictionAloneWhenNothingCanBeAsked) {
  const CounterReading reading = choose_rung(failed("a"), failed("b"), known);
  EXPECT_EQ(reading.rung, Rung::Prediction);
  EXPECT_EQ(reading.values, known.prediction);
  EXPECT_EQ(reading.passes, 0);
  EXPECT_EQ(reading.reason, "no counters: a; no activity: b");
}

TEST(Ladder, OneCauseIsSaidOnce) {
  EXPECT_EQ(choose_rung(failed("no CUPTI"), failed("no CUPTI"), known).reason, "no counters, no activity: no CUPTI");
}

TEST(Ladder, WithoutADriverNothingIsRun) {
  if (runtime::Driver::get().available) GTEST_SKIP() << "there is a driver";
  int runs = 0;
  Device device;
  device.name = "NVIDIA H200";
  const CounterReading reading = explain(
      device, [] {}, [&] { ++runs; }, known);
  EXPECT_EQ(reading.rung, Rung::Prediction);
  EXPECT_EQ(reading.values, known.prediction);
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(reading.reason.find("NVIDIA H200: no counters"), 0u) << reading.reason;
  const Attempt attempt = read_counters([] {}, [&] { ++runs; });
  EXPECT_NE(attempt.reason, "");
  EXPECT_TRUE(attempt.values.empty());
}

}  // namespace
}  // namespace qoq::counters
