#include "autotune/model_check/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace qoq::model_check {
namespace {

TEST(Spearman, IsTheCorrelationOfRanks) {
  const std::vector<Pair> same{{1, 10}, {2, 20}, {30, 21}};
  EXPECT_DOUBLE_EQ(*spearman(same), 1);
  const std::vector<Pair> reversed{{3, 10}, {2, 20}, {1, 30}};
  EXPECT_DOUBLE_EQ(*spearman(reversed), -1);
  // Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 − 6 · 4 / (5 · 24).
  const std::vector<Pair> swapped{{1, 2}, {2, 1}, {3, 4}, {4, 3}, {5, 5}};
  EXPECT_DOUBLE_EQ(*spearman(swapped), 0.8);
}

TEST(Spearman, TiesShareTheirMeanRank) {
  // Ranks 1.5 1.5 3 against 1 2 3: covariance 1.5, variances 1.5 and 2.
  const std::vector<Pair> tied{{7, 1}, {7, 2}, {8, 3}};
  EXPECT_NEAR(*spearman(tied), 1.5 / std::sqrt(1.5 * 2), 1e-12);
}

TEST(Spearman, NeedsSomethingToOrder) {
  EXPECT_FALSE(spearman({}));
  const std::vector<Pair> two{{1, 1}, {2, 2}}, equal{{5, 1}, {5, 2}, {5, 3}};
  EXPECT_FALSE(spearman(two));
  EXPECT_FALSE(spearman(equal)) << "a model that says the same of all has no order";
}

TEST(Regret, IsWhatTheChoiceCosts) {
  const std::vector<Pair> pairs{{5, 10}, {4, 15}, {3, 12}, {9, 30}};
  EXPECT_DOUBLE_EQ(*regret(pairs, 1), 0.2) << "it would take the one of 12";
  EXPECT_DOUBLE_EQ(*regret(pairs, 2), 0.2);
  EXPECT_DOUBLE_EQ(*regret(pairs, 3), 0);
  EXPECT_DOUBLE_EQ(*regret(pairs, 16), 0);
  EXPECT_FALSE(regret({}, 1));
}

TEST(Regret, DoesNotFlatterEqualPredictions) {
  const std::vector<Pair> pairs{{5, 10}, {5, 20}, {5, 15}};
  EXPECT_DOUBLE_EQ(*regret(pairs, 1), 1);
  EXPECT_DOUBLE_EQ(*regret(pairs, 2), 0.5);
}

TEST(Errors, AreRelativeToTheMeasurement) {
  const std::vector<Pair> pairs{{12, 10}, {5, 10}, {11, 10}};
  EXPECT_NEAR(*median_error(pairs), 0.2, 1e-12);
  EXPECT_NEAR(*bias(pairs), 0.1, 1e-12);
  EXPECT_FALSE(median_error({}));
  EXPECT_DOUBLE_EQ(*median({4, 1, 3, 2}), 2.5);
}

TEST(NearBest, KeepsWhatATunerChoosesFrom) {
  const std::vector<Pair> pairs{{1, 10}, {1, 20}, {1, 20.1}};
  EXPECT_EQ(near_best(pairs).size(), 2u);
}

TEST(Summary, CountsProblemsAndTakesTheirWorst) {
  const std::vector<std::vector<Pair>> problems{
      {{1, 10}, {2, 11}, {3, 12}},  // in order
      {{3, 10}, {2, 11}, {1, 12}},  // in reverse: the choice costs 20 %
      {},                           // nothing
  };
  const Summary s = summarise(problems);
  EXPECT_EQ(s.problems, 2u);
  EXPECT_EQ(s.rows, 6u);
  EXPECT_EQ(s.well_ranked, 1u);
  EXPECT_DOUBLE_EQ(*s.spearman, 0);
  EXPECT_DOUBLE_EQ(*s.worst_spearman, -1);
  EXPECT_NEAR(*s.worst_top1, 0.2, 1e-12);
  EXPECT_FALSE(s.worst_top16) << "all are among the sixteen, whatever the model says";
  EXPECT_EQ(s.chosen16, 0u);
  EXPECT_EQ(s.too_few16, 2u);
  EXPECT_LT(*s.bias, -0.7);
  EXPECT_EQ(summarise({}).problems, 0u);
  EXPECT_FALSE(summarise({}).error);
}

TEST(Summary, SixteenChosenOfSixteenScoreNoModel) {
  std::vector<Pair> worst;  // the faster it is the slower it is said to be
  for (int i = 0; i < 16; ++i) worst.push_back({100.0 - i, 10.0 + i});
  EXPECT_FALSE(score(worst).top16);
  EXPECT_DOUBLE_EQ(*score(worst).top1, 1.5);
  std::vector<Pair> seventeen = worst;
  seventeen.push_back({200, 8});
  EXPECT_DOUBLE_EQ(*score(seventeen).top16, 0.25) << "10 instead of 8";
  const std::vector<std::vector<Pair>> problems{worst, seventeen};
  const Summary s = summarise(problems);
  EXPECT_DOUBLE_EQ(*s.top16, 0.25) << "not the mean with a 0 that says nothing";
  EXPECT_EQ(s.chosen16, 1u);
  EXPECT_EQ(s.too_few16, 1u);
}

// The rule must never move: a problem that scored the model must not become one that rates are fitted on.
TEST(HeldOut, IsFixedByTheProblemsText) {
  for (const char* problem :
       {"gemm w4a8-g128 m=16 n=28672 k=4096", "gemm w4a8-g128 m=64 n=4096 k=4096", "gemm w8a8 m=64 n=6144 k=4096",
        "attention kv4 batch=64 heads=64/8 dh=128 ctx=4096", "attention kv16 batch=16 heads=32/32 dh=128 ctx=1024"})
    EXPECT_TRUE(is_held_out(problem)) << problem;
  for (const char* problem :
       {"gemm w4a8-g128 m=16 n=4096 k=4096", "gemm w4a8-g128 m=256 n=28672 k=4096", "gemm w8a8 m=64 n=4096 k=4096",
        "attention kv4 batch=64 heads=32/8 dh=128 ctx=4096", "attention kv8 batch=64 heads=32/32 dh=128 ctx=1024"})
    EXPECT_FALSE(is_held_out(problem)) << problem;
}

TEST(HeldOut, IsAboutHalfOfTheProblems) {
  size_t held = 0;
  for (int m = 1; m <= 400; ++m) held += is_held_out("gemm w4a8-g128 m=" + std::to_string(m) + " n=4096 k=4096");
  EXPECT_GT(held, 150u);
  EXPECT_LT(held, 250u);
}

}  // namespace
}  // namespace qoq::model_check
