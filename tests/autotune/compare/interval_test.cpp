#include "autotune/compare/interval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace qoq::compare {
namespace {

std::vector<double> one_to(int count) {
  std::vector<double> samples;  // far then near: neighbours on both sides of the median
  for (int i = 0; i < count; ++i) samples.push_back(i % 2 == 0 ? i / 2 + 1 : count - i / 2);
  return samples;
}

TEST(Interval, RanksOfTheBinomialTables) {
  EXPECT_EQ(least_samples(0.95), 6u);
  EXPECT_EQ(least_samples(0.99), 8u);
  EXPECT_FALSE(median_interval(one_to(7), 0.99));
  EXPECT_FALSE(median_interval({}, 0.99));
  // Tabulated sign-test ranks: n = 8 takes the extremes; at 95 % n = 20 the 6th, n = 30 the 10th; at 99 % the 8th.
  EXPECT_EQ(median_interval(one_to(8), 0.99), (Interval{1, 4.5, 8}));
  EXPECT_EQ(median_interval(one_to(20), 0.95), (Interval{6, 10.5, 15}));
  EXPECT_EQ(median_interval(one_to(30), 0.95), (Interval{10, 15.5, 21}));
  EXPECT_EQ(median_interval(one_to(30), 0.99), (Interval{8, 15.5, 23}));
}

TEST(Interval, ManySamplesDoNotUnderflow) {
  const auto interval = median_interval(one_to(4000), 0.99);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low, 2000 - 2.576 * std::sqrt(4000) / 2, 2);
}

TEST(Interval, HoldsTheMedianAsOftenAsItSays) {
  std::mt19937 random(3);
  std::lognormal_distribution<double> skewed(0, 0.5);  // its median is 1
  int held = 0;
  constexpr int rounds = 2000;
  for (int i = 0; i < rounds; ++i) {
    std::vector<double> samples(40);
    for (double& sample : samples) sample = skewed(random);
    const auto interval = median_interval(samples, 0.99);
    held += interval->low <= 1 && 1 <= interval->high;
  }
  EXPECT_GE(held, rounds * 0.985);
}

TEST(Interval, TheRatioHoldsTooAndIsNotTooWide) {
  std::mt19937 random(4);
  std::lognormal_distribution<double> skewed(0, 0.3);
  int held = 0, strict = 0;
  constexpr int rounds = 2000;
  for (int i = 0; i < rounds; ++i) {
    std::vector<double> before(50), after(80);
    for (double& sample : before) sample = skewed(random);
    for (double& sample : after) sample = 1.5 * skewed(random);
    const Interval ratio = ratio_interval(*median_interval(before, 0.95), *median_interval(after, 0.95));
    held += ratio.low <= 1.5 && 1.5 <= ratio.high;
    EXPECT_LT(ratio.low, ratio.middle);
    strict += ratio.high / ratio.low < 1.6;
  }
  EXPECT_GE(held, rounds * 0.935);
  EXPECT_LE(held, rounds * 0.995) << "so wide that it says nothing";
  EXPECT_GE(strict, rounds * 0.9);
}

TEST(Interval, SamplesThatHangTogetherCountAsFewer) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 1);
  double free_width = 0, tied_width = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<double> free(100), tied(100);
    double state = 0;
    for (size_t j = 0; j < 100; ++j) {
      free[j] = 100 + normal(random);
      state = 0.8 * state + 0.6 * normal(random);  // of the same variance
      tied[j] = 100 + state;
    }
    const auto a = median_interval(free, 0.99), b = median_interval(tied, 0.99);
    free_width += a->high - a->low;
    tied_width += b ? b->high - b->low : 5;
  }
  EXPECT_GT(tied_width, 1.5 * free_width);
}

TEST(Interval, EqualSamplesHaveNoWidth) {
  const std::vector<double> same(20, 3.5);
  EXPECT_EQ(median_interval(same, 0.99), (Interval{3.5, 3.5, 3.5}));
  EXPECT_EQ(ratio_interval({2, 2, 2}, {3, 3, 3}).middle, 1.5);
}

}  // namespace
}  // namespace qoq::compare
