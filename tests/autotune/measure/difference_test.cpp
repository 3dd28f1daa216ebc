#include "autotune/measure/difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "autotune/measure/recorded_stand.h"

namespace qoq::measure {
namespace {

/// Logarithms of `count` readings of a lane.
std::vector<double> draw(Lane& lane, int count) {
  std::vector<double> logs;
  for (int i = 0; i < count; ++i) logs.push_back(std::log(lane.sample().us));
  return logs;
}

RecordedStand noisy_stand(uint64_t seed, RecordedNoise noise) {
  RecordedDevice device = RecordedDevice::h200();
  device.seed = seed;
  device.noise = noise;
  device.times = {{"slow", "", 101}, {"fast", "", 100}};
  return RecordedStand(device);
}

TEST(Difference, QuantilesOfTheNormalDistribution) {
  EXPECT_NEAR(normal_quantile_above(0.5), 0, 1e-9);
  EXPECT_NEAR(normal_quantile_above(0.025), 1.959964, 1e-6);
  EXPECT_NEAR(normal_quantile_above(1e-5), 4.264891, 1e-6);
}

TEST(Difference, IntervalsHoldTheTruthAsOftenAsTheySay) {
  for (const RecordedNoise noise : {RecordedNoise{0.03}, RecordedNoise{0.03, 0.02, 0.2}}) {
    for (const int rounds : {10, 50, 300}) {
      int outside = 0;
      double width = 0;
      for (uint64_t seed = 0; seed < 2000; ++seed) {
        RecordedStand stand = noisy_stand(seed, noise);
        const auto slow = draw(*stand.lane("slow", ""), rounds), fast = draw(*stand.lane("fast", ""), rounds);
        const Difference gap = difference(slow, fast, 1.96);
        const double truth = std::log(1.01);
        if (truth < gap.low || truth > gap.high) ++outside;
        width += (gap.high - gap.low) / 2000;
      }
      EXPECT_NEAR(outside / 2000.0, 0.05, 0.02) << rounds << " rounds, tail " << noise.tail_share;
      EXPECT_LT(width, 2 * 1.96 * 0.03 * std::sqrt(2.0 / rounds) * (rounds == 10 ? 1.5 : 1.15));
    }
  }
}

TEST(Difference, AFewWildRoundsMoveNothing) {
  RecordedStand stand = noisy_stand(5, {0.03});
  const auto slow = draw(*stand.lane("slow", ""), 300);
  auto fast = draw(*stand.lane("fast", ""), 300);
  const Difference before = difference(slow, fast, 3);
  for (size_t i = 0; i < 300; i += 60) fast[i] += std::log(1.25);
  const Difference after = difference(slow, fast, 3);
  EXPECT_NEAR(after.centre, before.centre, 0.0015) << "the plain mean would move by 0.0037";
  EXPECT_NEAR(after.high - after.low, before.high - before.low, 0.001);
}

TEST(Difference, FewRoundsSayNothing) {
  const std::vector<double> one = {0.1, 0.1, 0.1}, other = {0.0, 0.0, 0.0};
  const Difference three = difference(one, other, 2);
  EXPECT_NEAR(three.centre, 0.1, 1e-12);
  EXPECT_TRUE(std::isinf(three.low) && three.low < 0 && std::isinf(three.high));
  EXPECT_EQ(difference({}, other, 2).centre, 0);
  const std::vector<double> longer(10, 0.1), shorter(7, 0.0);
  EXPECT_NEAR(difference(longer, shorter, 2).low, 0.1, 1e-12) << "the rounds that both have, all alike";
}

TEST(Difference, MedianWithItsInterval) {
  std::vector<double> samples(101);
  std::iota(samples.begin(), samples.end(), 0);
  const MedianInterval interval = median_interval(samples);
  EXPECT_EQ(interval.median, 50);
  EXPECT_EQ(interval.low, 40);
  EXPECT_EQ(interval.high, 60);
  EXPECT_EQ(median_interval({7}).low, 7);
  EXPECT_EQ(median_interval({7}).high, 7);
}

}  // namespace
}  // namespace qoq::measure
