// The rule of predict-then-measure, case by case. Point a = i is the i-th best prediction.
#include "autotune/search/predict_then_measure.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/base/error.h"
#include "tests/autotune/search/rugged.h"

namespace qoq::search {
namespace {

using namespace testing;

struct Asked {
  std::vector<size_t> batches;
  std::vector<int> order;  ///< values of a
};

/// `predicted` and `measured` of each value of a; a time of 0 is none.
Asked ask(const std::vector<double>& predicted, const std::vector<double>& measured, uint64_t seed = 1) {
  Settings settings{"predict-then-measure", {}, seed};
  settings.predict = [&](std::span<const Point> points) {
    std::vector<std::optional<double>> list;
    for (const Point& point : points) {
      const double us = predicted.at(static_cast<size_t>(point.at("a")));
      list.push_back(us > 0 ? std::optional(us) : std::nullopt);
    }
    return list;
  };
  const auto strategy = make_strategy(settings, Space({range("a", static_cast<int>(predicted.size()))}));
  Asked asked;
  for (auto batch = strategy->ask(); !batch.empty(); batch = strategy->ask()) {
    asked.batches.push_back(batch.size());
    std::vector<Evaluated> answers;
    for (const Point& point : batch) {
      asked.order.push_back(point.at("a"));
      const double us = measured.at(static_cast<size_t>(point.at("a")));
      answers.push_back({point, us > 0 ? std::optional(us) : std::nullopt});
    }
    strategy->tell(answers);
  }
  return asked;
}

/// 100, 101, 102 … µs.
std::vector<double> ladder(size_t count, double step = 1) {
  std::vector<double> list;
  for (size_t i = 0; i < count; ++i) list.push_back(100 + step * static_cast<double>(i));
  return list;
}

TEST(PredictThenMeasure, AsksInTheOrderOfThePredictions) {
  std::vector<double> predicted = ladder(40);
  std::ranges::reverse(predicted);
  const Asked asked = ask(predicted, predicted);
  ASSERT_EQ(asked.order.size(), first_asked);
  for (size_t i = 0; i < asked.order.size(); ++i) EXPECT_EQ(asked.order[i], 39 - static_cast<int>(i));
}

TEST(PredictThenMeasure, ExactPredictionsEndAfterTheFirstSixteen) {
  EXPECT_EQ(ask(ladder(100), ladder(100)).batches, (std::vector<size_t>{16}));
}

TEST(PredictThenMeasure, AConstantFactorIsNoError) {
  std::vector<double> tripled = ladder(100);
  for (double& us : tripled) us *= 3;
  EXPECT_EQ(ask(ladder(100), tripled).batches, (std::vector<size_t>{16}));
}

TEST(PredictThenMeasure, WithinTheNoiseItGoesOn) {
  // Steps of 0.0199 %: the 51st is less than 1 % above the first, which exact predictions call a tie.
  const Asked asked = ask(ladder(200, 0.0199), ladder(200, 0.0199));
  EXPECT_EQ(asked.order.size(), 51u);
  EXPECT_EQ(asked.batches, (std::vector<size_t>{16, 16, 16, 3}));
}

TEST(PredictThenMeasure, TheErrorWidensIt) {
  // Every tenth measured 20 % slower or faster, the others as predicted: the 0.9 quantile over 16 is the 15th.
  std::vector<double> measured = ladder(100);
  measured[3] *= 1.205;
  measured[7] *= 0.8;  // 85.6 µs, the best
  const Asked asked = ask(ladder(100), measured);
  // scale 1, error 0.2: up to 85.6 · 1.21 = 103.6: below the 17th's 116. So it ends.
  EXPECT_EQ(asked.order.size(), 16u);
  measured[7] = 107 * 1.205;  // now the best is the first, 100 µs: up to 121.5, less from the second batch on
  const Asked wider = ask(ladder(100), measured);
  EXPECT_EQ(wider.order.size(), 22u) << "100 … 121 µs";
  EXPECT_EQ(wider.batches, (std::vector<size_t>{16, 6}));
}

TEST(PredictThenMeasure, OneThatIsFarOffAmongSixteenIsNoReason) {
  std::vector<double> measured = ladder(100);
  measured[5] *= 3;
  EXPECT_EQ(ask(ladder(100), measured).order.size(), 16u);
}

TEST(PredictThenMeasure, WhileAllFailItGoesOn) {
  std::vector<double> measured(100, 0);
  EXPECT_EQ(ask(ladder(100), measured).order.size(), 100u);
  measured[40] = 140;  // in the third batch
  EXPECT_EQ(ask(ladder(100), measured).order.size(), 48u);
}

TEST(PredictThenMeasure, WhatCannotBePredictedComesLast) {
  std::vector<double> predicted = ladder(20);
  for (size_t i = 0; i < 10; ++i) predicted[i] = 0;
  const Asked asked = ask(predicted, ladder(20));
  EXPECT_EQ(asked.order.size(), 16u) << "the first sixteen, whatever they are";
  EXPECT_TRUE(std::all_of(asked.order.begin(), asked.order.begin() + 10, [](int a) { return a >= 10; }));
  EXPECT_TRUE(std::all_of(asked.order.begin() + 10, asked.order.end(), [](int a) { return a < 10; }));
  predicted.assign(40, 0);
  EXPECT_EQ(ask(predicted, ladder(40)).order.size(), 16u) << "no prediction at all: sixteen at random";
}

/// Points of a space of 2^60 that the strategy has predicted when it asks for the first.
std::vector<Point> predicted_of_huge(std::optional<int64_t> budget, uint64_t seed = 1) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 20; ++i) parameters.push_back(range(fmt::format("p{}", 10 + i), 8));
  std::vector<Point> predicted;
  Settings settings{"predict-then-measure", budget, seed};
  settings.predict = [&](std::span<const Point> points) {
    predicted.insert(predicted.end(), points.begin(), points.end());
    return std::vector<std::optional<double>>(points.size(), 5);
  };
  const auto strategy = make_strategy(settings, Space(parameters));
  EXPECT_EQ(strategy->ask().size(), std::min<size_t>(first_asked, static_cast<size_t>(budget.value_or(1000))));
  return predicted;
}

TEST(PredictThenMeasure, AHugeSpaceIsSampled) { EXPECT_EQ(predicted_of_huge({}).size(), most_predicted); }

TEST(PredictThenMeasure, TheBudgetBoundsWhatIsPredicted) {
  EXPECT_EQ(predicted_of_huge(32).size(), 32 * predicted_per_asked);
  EXPECT_EQ(predicted_of_huge(3).size(), 3 * predicted_per_asked);
  EXPECT_EQ(predicted_of_huge(32), predicted_of_huge(32));
  EXPECT_NE(predicted_of_huge(32, 2), predicted_of_huge(32)) << "drawn from the seed";
  EXPECT_EQ(predicted_points(1250), most_predicted);
  EXPECT_EQ(predicted_points(1249), 1249 * predicted_per_asked);
  EXPECT_EQ(predicted_points(std::numeric_limits<int64_t>::max()), most_predicted);
}

TEST(PredictThenMeasure, WhereThePredictingGivesUpTheBestOfThatAreAsked) {
  size_t left = 50;
  std::vector<int> ranked;
  Settings settings{"predict-then-measure", {}, 1};
  settings.predict = [&](std::span<const Point> points) {
    std::vector<std::optional<double>> list(points.size());
    for (size_t i = 0; i < points.size() && left > 0; ++i, --left) {
      ranked.push_back(points[i].at("a"));
      list[i] = 100 + points[i].at("a");
    }
    return list;
  };
  const auto strategy = make_strategy(settings, Space({range("a", 1000)}));
  std::vector<int> asked;
  for (const Point& point : strategy->ask()) asked.push_back(point.at("a"));
  std::ranges::sort(ranked);
  ranked.resize(first_asked);
  EXPECT_EQ(asked, ranked);
}

TEST(PredictThenMeasure, WithoutPredictionsItIsRefused) {
  try {
    make_strategy({"predict-then-measure", {}, 1}, Space({range("a", 3)}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    EXPECT_EQ(std::string(error.what()),
              "the search strategy predict-then-measure needs predicted times, and nothing here predicts any");
  }
}

}  // namespace
}  // namespace qoq::search
