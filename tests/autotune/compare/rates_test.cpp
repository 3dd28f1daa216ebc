// How often the verdict is right, over many pairs drawn with a known ratio.
#include <gtest/gtest.h>

#include <map>

#include "autotune/compare/compare.h"
#include "tests/autotune/compare/stores.h"

namespace qoq::compare {
namespace {

using namespace testing;

constexpr double kNoise = 0.03;
constexpr int kPairs = 300;

std::map<Verdict, int> verdicts(double ratio, size_t samples, double noise = kNoise) {
  std::map<Verdict, int> counts;
  for (unsigned i = 0; i < kPairs; ++i) {
    const Row row = judge(measured(problem(1), "v", draw(20, noise, samples, 2 * i)),
                          measured(problem(1), "v", draw(20 * ratio, noise, samples, 2 * i + 1)), {});
    ++counts[row.verdict];
  }
  return counts;
}

TEST(Rates, NoFalseRegressions) {
  for (const size_t samples : {30u, 100u, 300u}) {
    auto counts = verdicts(1, samples);
    EXPECT_LE(counts[Verdict::Slower], kPairs / 100) << samples << " samples";
    EXPECT_LE(counts[Verdict::Faster], kPairs / 100) << samples << " samples";
  }
}

TEST(Rates, NoFalseRegressionsAtTheTieItself) {
  auto counts = verdicts(1.01, 100);
  EXPECT_LE(counts[Verdict::Slower], 6) << "half a percent is meant";
}

TEST(Rates, ThreePercentAreFound) {
  for (const size_t samples : {200u, 300u}) {
    EXPECT_GE(verdicts(1.03, samples)[Verdict::Slower], kPairs * 95 / 100) << samples << " samples";
    EXPECT_GE(verdicts(1 / 1.03, samples)[Verdict::Faster], kPairs * 95 / 100) << samples << " samples";
  }
  EXPECT_GE(verdicts(1.03, 30, 0.01)[Verdict::Slower], kPairs * 95 / 100) << "30 samples do at 1 % noise";
}

TEST(Rates, FewNoisySamplesAreUnclearAndNotSame) {
  auto counts = verdicts(1.03, 30);
  EXPECT_EQ(counts[Verdict::Same], 0);
  EXPECT_EQ(counts[Verdict::Faster], 0);
  EXPECT_GT(counts[Verdict::Unclear], 0);
}

TEST(Rates, SameIsFound) {
  EXPECT_GE(verdicts(1, 300, 0.01)[Verdict::Same], kPairs * 95 / 100);
  EXPECT_EQ(verdicts(1.03, 300, 0.01)[Verdict::Same], 0);
}

TEST(Rates, DriftMakesNoRegressions) {
  std::map<Verdict, int> counts;
  for (unsigned i = 0; i < kPairs; ++i) {
    const auto drifting = [](unsigned seed) {  // the same distribution, but neighbours are alike
      std::mt19937 random(seed);
      std::normal_distribution<double> normal(0, 1);
      std::vector<double> samples;
      double state = normal(random);
      for (int j = 0; j < 100; ++j) {
        state = 0.8 * state + 0.6 * normal(random);
        samples.push_back(20 * (1 + kNoise * state));
      }
      return samples;
    };
    const Row row =
        judge(measured(problem(1), "v", drifting(2 * i)), measured(problem(1), "v", drifting(2 * i + 1)), {});
    ++counts[row.verdict];
  }
  EXPECT_LE(counts[Verdict::Slower] + counts[Verdict::Faster], kPairs * 2 / 100);
}

}  // namespace
}  // namespace qoq::compare
