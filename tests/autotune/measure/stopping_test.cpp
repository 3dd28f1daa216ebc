#include "autotune/measure/stopping.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/base/random.h"

namespace qoq::measure {
namespace {

/// After how many of `samples_us` the rule is satisfied, asked after each; 0 when never.
size_t satisfied_after(StoppingRule& rule, const std::vector<double>& samples_us) {
  for (size_t count = 1; count <= samples_us.size(); ++count) {
    if (rule.satisfied(std::span(samples_us).first(count), 0)) return count;
  }
  return 0;
}

TEST(Stopping, RelativeIqrHoldsTheQuartilesAgainstTheMedian) {
  const auto rule = stop_at_relative_iqr(0.02, 1);
  EXPECT_EQ(rule->name(), "relative-iqr");
  EXPECT_TRUE(rule->settles());
  std::vector<double> samples;
  for (int i = 0; i < 13; ++i) samples.push_back(100 + 0.4 * (i * 5 % 13 - 6));  // quartiles 98.8 and 101.2
  EXPECT_FALSE(rule->satisfied(samples, 0));
  for (double& us : samples) us = 100 + (us - 100) * 0.8;
  EXPECT_TRUE(rule->satisfied(samples, 0));
  samples[3] = 1000;  // one far out is no spread of the middle
  EXPECT_TRUE(rule->satisfied(samples, 0));
  EXPECT_TRUE(rule->satisfied(std::vector<double>{5}, 0));
  EXPECT_TRUE(rule->satisfied(std::vector<double>{5, 5, 5, 5, 5}, 0));
}

TEST(Stopping, RelativeIqrWantsMoreOfWiderSamples) {
  const auto rule = stop_at_relative_iqr(0.02, 0.0015);
  std::vector<double> samples;
  for (int i = 0; i < 35; ++i) samples.push_back(100 + 0.05 * (i * 8 % 35 - 17));  // quartiles 0.9 apart
  EXPECT_FALSE(rule->satisfied(samples, 0)) << "0.9 / √35 is 0.152";
  samples.insert(samples.end(), {100, 99.3, 100.7});
  EXPECT_TRUE(rule->satisfied(samples, 0)) << "0.9 / √38 is 0.146";
}

TEST(Stopping, TenMediansOfUsualSamplesLieWithinOnePercent) {
  const SamplingLimits limits;
  Random random(11);
  const auto median = [&] {
    const auto rule = stop_at_relative_iqr(limits.relative_iqr, limits.median_iqr);
    std::vector<double> samples;
    do {
      double sum = 0;  // of four: nearly normal, quartiles 1 % apart, as a GPU's are
      for (int i = 0; i < 4; ++i) sum += random.uniform(-1, 1);
      samples.push_back(100 + 0.64 * sum);
    } while (static_cast<int>(samples.size()) < limits.least_samples || !rule->satisfied(samples, 0));
    EXPECT_LT(samples.size(), 200u);
    Sample sample;
    sample.samples_us = samples;
    summarize(sample);
    return sample.median_us;
  };
  int apart = 0;
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> medians;
    for (int i = 0; i < 10; ++i) medians.push_back(median());
    const auto [least, greatest] = std::ranges::minmax(medians);
    if (greatest / least - 1 > 0.01) ++apart;
  }
  EXPECT_LE(apart, 2) << "of 200";
}

TEST(Stopping, StabilityEndsWideAndSkewedDistributions) {
  std::vector<double> samples;
  Random random(3);
  for (int i = 0; i < 300; ++i) samples.push_back(i % 10 < 3 ? 130 : 100 + random.uniform(-1, 1));
  EXPECT_EQ(satisfied_after(*stop_at_relative_iqr(0.02, 1), samples), 1u);  // (one sample has no spread)
  EXPECT_FALSE(stop_at_relative_iqr(0.02, 1)->satisfied(samples, 0)) << "a third of them lie 30 % above: never narrow";
  const size_t after = satisfied_after(*stop_when_stable(), samples);
  EXPECT_GE(after, 40u);
  EXPECT_LT(after, 150u);
}

TEST(Stopping, StabilityDoesNotEndWhatStillMoves) {
  std::vector<double> climbing;
  for (int i = 0; i < 300; ++i) climbing.push_back(100 + 0.1 * i);
  EXPECT_EQ(satisfied_after(*stop_when_stable(), climbing), 0u);
  std::vector<double> early(39, 100.0);
  EXPECT_EQ(satisfied_after(*stop_when_stable(), early), 0u) << "too few to be judged";
}

TEST(Stopping, StabilityMustLast) {
  // Medians that meet for a moment only, when that of the last half crosses that of all.
  std::vector<double> swinging;
  int meetings = 0;
  for (int i = 0; i < 150; ++i) {
    swinging.push_back(100 + 10 * std::sin(i / 15.0));
    Sample all, last;
    all.samples_us = swinging;
    last.samples_us.assign(swinging.begin() + i / 2, swinging.end());
    summarize(all);
    summarize(last);
    if (i >= 40 && std::abs(last.median_us - all.median_us) < 0.4) ++meetings;
  }
  EXPECT_GT(meetings, 2);
  EXPECT_EQ(satisfied_after(*stop_when_stable(), swinging), 0u);
}

TEST(Stopping, TimeOutSettlesNothing) {
  const auto rule = stop_at_time_out(0.5);
  const std::vector<double> samples(20, 7.0);
  EXPECT_FALSE(rule->satisfied(samples, 0.49));
  EXPECT_TRUE(rule->satisfied(samples, 0.5));
  EXPECT_FALSE(rule->settles());
  EXPECT_EQ(rule->name(), "time-out");
}

TEST(Stopping, AllRulesAreListed) {
  std::vector<std::string_view> names;
  for (const auto& rule : make_stopping_rules({})) names.push_back(rule->name());
  EXPECT_EQ(names, (std::vector<std::string_view>{"relative-iqr", "stability", "time-out"}));
}

}  // namespace
}  // namespace qoq::measure
