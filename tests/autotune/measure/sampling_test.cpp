#include "autotune/measure/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "autotune/measure/recorded_stand.h"

namespace qoq::measure {
namespace {

RecordedDevice device_with(double us, double noise = 0.005) {
  RecordedDevice device = RecordedDevice::h200();
  device.times = {{"", "", us}};
  device.noise.share = noise;
  return device;
}

Sample sample_on(RecordedStand& stand, const SamplingLimits& limits = {}) {
  return take_sample(*stand.lane("variant", "problem"), stand, limits, true);
}

/// A lane whose readings come from a function of the sample's number; keeps a list of what was asked of it.
class ScriptedLane final : public Lane {
 public:
  ScriptedLane(RecordedStand& stand, std::function<Reading(int)> script) : stand_(stand), script_(std::move(script)) {}
  void warm_up(double ms) override {
    warm_ups.push_back(ms);
    stand_.rest(ms / 1000);
  }
  Reading sample() override {
    stand_.rest(0.001);
    return script_(samples++);
  }
  std::vector<double> warm_ups;
  int samples = 0;

 private:
  RecordedStand& stand_;
  std::function<Reading(int)> script_;
};

TEST(Sampling, EndsWhenPreciseAndFillsTheSample) {
  RecordedStand stand(device_with(50, 0.001));
  const Sample sample = sample_on(stand);
  EXPECT_EQ(sample.failure, "");
  EXPECT_EQ(sample.samples_us.size(), 10u);
  EXPECT_EQ(sample.stopped_by, "relative-iqr");
  EXPECT_TRUE(sample.settled);
  EXPECT_NEAR(sample.median_us, 50, 0.5);
  EXPECT_EQ(sample.sm_mhz, 1980);
  EXPECT_EQ(sample.discarded, 0);
  EXPECT_EQ(sample.throttled, 0u);
  EXPECT_NEAR(sample.gpu_s, SamplingLimits().warm_up_ms / 1000 + 10 * 350e-6, 20e-6);
  EXPECT_FALSE(sample.timed_out || sample.context_lost);
}

TEST(Sampling, NoisyOnesEndByStabilityOrAtTheMost) {
  RecordedStand noisy(device_with(50, 0.03));
  const Sample sample = sample_on(noisy);
  EXPECT_EQ(sample.stopped_by, "stability");
  EXPECT_TRUE(sample.settled);
  EXPECT_NEAR(sample.median_us, 50, 0.5);

  RecordedDevice drifting = device_with(50, 0.1);
  drifting.drift = {1, 0.1};
  RecordedStand moving(drifting);
  SamplingLimits limits;
  limits.most_samples = 60;
  limits.warm_up_ms = 0;
  const Sample most = sample_on(moving, limits);
  EXPECT_EQ(most.stopped_by, "most-samples");
  EXPECT_EQ(most.samples_us.size(), 60u);
  EXPECT_FALSE(most.settled);
}

TEST(Sampling, SlowKernelsTimeOutWithTheirLeastSamples) {
  RecordedStand stand(device_with(300'000, 0.1));
  const Sample sample = sample_on(stand);
  EXPECT_EQ(sample.stopped_by, "time-out");
  EXPECT_EQ(sample.samples_us.size(), 10u);
  EXPECT_FALSE(sample.settled);
  EXPECT_EQ(sample.failure, "");
}

TEST(Sampling, LongWarmUpOnlyAfterARest) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(stand, [](int) { return Reading{.us = 50}; });
  take_sample(lane, stand, {}, true);
  take_sample(lane, stand, {}, false);
  EXPECT_EQ(lane.warm_ups, (std::vector<double>{150, 20}));
}

TEST(Sampling, ThrottledSamplesAreThrownAwayAndTheRestsDouble) {
  for (const bool in_nvml : {true, false}) {
    RecordedDevice device = device_with(50, 0.001);
    device.throttling = {{0.1505, 3, 0.8, in_nvml, !in_nvml}};  // from the third sample on
    RecordedStand stand(device);
    const Sample sample = sample_on(stand);
    EXPECT_EQ(sample.samples_us.size(), 10u);
    EXPECT_NEAR(sample.median_us, 50, 0.5);
    EXPECT_LT(*std::ranges::max_element(sample.samples_us), 55);
    EXPECT_EQ(sample.discarded, 7) << "rests of 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1 s";
    EXPECT_EQ(sample.throttled != 0, in_nvml);
    EXPECT_TRUE(sample.settled);
    EXPECT_GT(stand.now_s(), 3);
  }
}

TEST(Sampling, RestsBeginShortAgainAfterAGoodSample) {
  RecordedDevice device = device_with(50);
  for (int i = 0; i < 5; ++i) device.throttling.push_back({0.1505 + 0.1 * i, 0.152 + 0.1 * i});
  RecordedStand stand(device);
  SamplingLimits limits;
  limits.least_samples = limits.most_samples = 1000;
  limits.sampling_s = 100;
  const double before_s = stand.now_s();
  const Sample sample = sample_on(stand, limits);
  EXPECT_EQ(sample.discarded, 5);
  EXPECT_NEAR(stand.now_s() - before_s, 0.15 + 1005 * 350e-6 + 5 * (0.05 + 0.02), 0.01);
}

TEST(Sampling, SamplesFromBeforeTheClocksHadClimbedAreThrownAwayToo) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(
      stand, [](int i) { return i < 6 ? Reading{.us = 70, .sm_mhz = 1400} : Reading{.us = 50, .sm_mhz = 1980}; });
  const Sample sample = take_sample(lane, stand, {}, true);
  EXPECT_EQ(sample.samples_us, std::vector<double>(10, 50.0));
  EXPECT_EQ(sample.discarded, 6);
  EXPECT_EQ(sample.sm_mhz, 1980);
}

TEST(Sampling, UnknownClocksAreNoReasonToThrowAway) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(stand, [](int i) { return Reading{.us = 50, .sm_mhz = i % 2 == 0 ? 0.0 : 1980.0}; });
  const Sample sample = take_sample(lane, stand, {}, true);
  EXPECT_EQ(sample.discarded, 0);
  EXPECT_EQ(sample.sm_mhz, 1980) << "of those that are known";
}

constexpr uint64_t power_cap = 0x4, heat = 0x20;  // NVML's bits

TEST(Sampling, ThePowerCapAloneIsNoReasonWhileTheClockIsKnown) {
  RecordedStand stand(device_with(50));
  ScriptedLane known(stand, [](int) { return Reading{.us = 50, .sm_mhz = 1700, .throttled = power_cap}; });
  const Sample sample = take_sample(known, stand, {}, true);
  EXPECT_EQ(sample.samples_us.size(), 10u);
  EXPECT_EQ(sample.discarded, 0);
  EXPECT_EQ(sample.throttled, power_cap) << "reported all the same";
  ScriptedLane unknown(stand, [](int i) { return Reading{.us = 50, .throttled = i < 3 ? power_cap : 0}; });
  EXPECT_EQ(take_sample(unknown, stand, {}, true).discarded, 3);
}

TEST(Sampling, DiscardsAreCappedAndAHandfulIsNoSample) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(stand, [](int i) { return Reading{.us = 50, .sm_mhz = 1980, .throttled = i < 4 ? 0u : heat}; });
  const Sample sample = take_sample(lane, stand, {}, true);
  EXPECT_NE(sample.failure.find("30 of 34 samples were thrown away, and at least 10 must be left: the clocks were held "
                                "back (NVML: "),
            std::string::npos)
      << sample.failure;
  EXPECT_TRUE(sample.transient);
  EXPECT_TRUE(sample.samples_us.empty());
  EXPECT_EQ(sample.median_us, 0);
  EXPECT_EQ(sample.discarded, 30);
  EXPECT_EQ(lane.samples, 34);
  EXPECT_EQ(sample.stopped_by, "most-discards");
  EXPECT_EQ(sample.throttled, heat);
  EXPECT_FALSE(sample.settled);
}

TEST(Sampling, WithItsLeastSamplesItStandsThoughDiscardsEndedIt) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(stand, [](int i) {
    return Reading{.us = i % 2 == 0 ? 45.0 : 55.0, .sm_mhz = 1980, .throttled = i < 12 ? 0u : heat};
  });
  const Sample sample = take_sample(lane, stand, {}, true);
  EXPECT_EQ(sample.stopped_by, "most-discards");
  EXPECT_EQ(sample.failure, "");
  EXPECT_FALSE(sample.transient || sample.settled);
  EXPECT_EQ(sample.samples_us.size(), 12u);
}

/// A GPU that boosts for a while and then runs at another clock.
ScriptedLane boosts_then(RecordedStand& stand, int boosted, double then_mhz, uint64_t reasons) {
  return {stand, [=](int i) {
            const double mhz = i < boosted ? 1980 : then_mhz + i % 3;
            return Reading{.us = 50 * 1980 / mhz, .sm_mhz = mhz, .throttled = i < boosted ? 0 : reasons};
          }};
}

TEST(Sampling, AClockThatSettlesAFewPerCentLowerIsTheNewMeasure) {
  for (const uint64_t reasons : {uint64_t{0}, power_cap}) {
    RecordedStand stand(device_with(50));
    ScriptedLane lane = boosts_then(stand, 6, 1860, reasons);
    const Sample sample = take_sample(lane, stand, {}, true);
    EXPECT_EQ(sample.failure, "");
    EXPECT_EQ(sample.samples_us.size(), 10u);
    EXPECT_EQ(sample.discarded, 6 + 9) << "those at boost, and the slow ones until it was clear that they stay";
    EXPECT_NEAR(sample.sm_mhz, 1861, 1);
    EXPECT_GT(*std::ranges::min_element(sample.samples_us), 53) << "nothing of the boost is left";
    EXPECT_TRUE(sample.settled);
  }
}

TEST(Sampling, WhatIsNoSettlingStaysSlow) {
  RecordedStand stand(device_with(50));
  ScriptedLane deep = boosts_then(stand, 6, 1980 * 0.88, 0), hot = boosts_then(stand, 6, 1860, heat);
  ScriptedLane restless(stand, [](int i) {
    const double mhz = i < 6 ? 1980 : i % 2 == 0 ? 1880 : 1850;  // further apart than 1 %
    return Reading{.us = 50, .sm_mhz = mhz};
  });
  for (ScriptedLane* lane : {&deep, &hot, &restless}) {
    const Sample sample = take_sample(*lane, stand, {}, true);
    EXPECT_EQ(sample.stopped_by, "most-discards");
    EXPECT_TRUE(sample.transient);
  }
  // Step by step it goes no deeper than 10 % either.
  ScriptedLane stairs(stand, [](int i) {
    return Reading{.us = 50, .sm_mhz = i < 6 ? 1980.0 : i < 16 ? 1860.0 : 1760.0};
  });
  EXPECT_EQ(take_sample(stairs, stand, {}, true).stopped_by, "most-discards");
}

TEST(Sampling, AClockThatComesBackIsTheMeasureAgain) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(stand, [](int i) {
    const double mhz = i < 6 || i >= 20 ? 1980 : 1860;
    return Reading{.us = 50 * 1980 / mhz, .sm_mhz = mhz};
  });
  const Sample sample = take_sample(lane, stand, {}, true);
  EXPECT_EQ(sample.samples_us, std::vector<double>(10, 50.0));
  EXPECT_EQ(sample.sm_mhz, 1980);
}

TEST(Sampling, WhereAllAreThrottledTheFailureSaysSo) {
  RecordedDevice device = device_with(50);
  device.throttling = {{0, 1e6}};
  RecordedStand stand(device);
  const Sample sample = sample_on(stand);
  EXPECT_TRUE(sample.samples_us.empty());
  EXPECT_EQ(sample.discarded, 30);
  EXPECT_NE(sample.failure.find("all 30 samples were thrown away: the clocks were held back (NVML: "),
            std::string::npos)
      << sample.failure;
  EXPECT_TRUE(sample.transient);
  EXPECT_FALSE(sample.context_lost);
}

TEST(Sampling, FaultsOfTheLaneBecomeFailures) {
  struct Expected {
    RecordedFault fault;
    const char* words;
    bool timed_out, lost;
  };
  for (const Expected& expected : std::vector<Expected>{
           {RecordedFault::Hang, "did not end within 10 s", true, true},
           {RecordedFault::StickyError, "ILLEGAL_ADDRESS", false, true},
           {RecordedFault::GpuLost, "fallen off the bus", false, true},
       }) {
    for (const int after : {0, 3}) {
      RecordedDevice device = device_with(50);
      device.faults = {{"bad.*", "", expected.fault, {}, after}};
      RecordedStand stand(device);
      const Sample sample = take_sample(*stand.lane("bad.one", "problem"), stand, {}, true);
      EXPECT_NE(sample.failure.find(expected.words), std::string::npos) << sample.failure;
      EXPECT_TRUE(sample.samples_us.empty()) << "no half sample of a variant that faults";
      EXPECT_EQ(sample.timed_out, expected.timed_out);
      EXPECT_EQ(sample.context_lost, expected.lost);
      EXPECT_FALSE(sample.transient);
      EXPECT_THROW(stand.lane("good", "problem"), ContextLost);
    }
  }
}

TEST(Sampling, AnErrorOfOneVariantLosesOnlyThatOne) {
  RecordedStand stand(device_with(50));
  ScriptedLane lane(stand, [](int i) -> Reading {
    if (i == 5) fail("cuMemAlloc: out of memory");
    return {.us = 50};
  });
  const Sample sample = take_sample(lane, stand, {}, true);
  EXPECT_EQ(sample.failure, "cuMemAlloc: out of memory");
  EXPECT_FALSE(sample.context_lost || sample.timed_out);
  EXPECT_EQ(sample_on(stand).failure, "");

  ScriptedLane broken(stand, [](int) { return Reading{.us = 0}; });
  EXPECT_NE(take_sample(broken, stand, {}, true).failure, "");
}

}  // namespace
}  // namespace qoq::measure
