#include "autotune/replay/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "autotune/interchange/t4.h"
#include "autotune/replay/print.h"
#include "kernels/base/error.h"
#include "tests/autotune/replay/landscapes.h"

namespace qoq::replay {
namespace {

using interchange::RecordedSpace;
using testing::square;

std::string sentence(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
  return "";
}

double slope(int64_t a, int64_t b) { return 10 + static_cast<double>(20 * a + b); }

TEST(LandscapeTest, AnswersWhatIsOnRecord) {
  RecordedSpace recorded = square(3, [](int64_t a, int64_t b) { return a == 1 && b == 1 ? 0 : slope(a, b); });
  recorded.entries[8].invalidity = "constraints";
  recorded.entries[8].time_us.reset();
  recorded.entries.push_back(recorded.entries[2]);  // on record twice
  recorded.entries.back().time_us = 1;
  const Landscape landscape(recorded);
  EXPECT_EQ(landscape.points(), 8u);
  EXPECT_EQ(landscape.timed(), 7u);
  EXPECT_EQ(landscape.refused(), 1u);
  EXPECT_EQ(landscape.best_us(), 10);
  const search::Space space = landscape.space();
  const auto points = search::enumerate(space);
  EXPECT_EQ(points.size(), 8u) << "what was refused is no point";
  EXPECT_EQ(landscape.time_us(space, {{"a", 0}, {"b", 2}}), 12);
  EXPECT_EQ(landscape.time_us(space, {{"a", 1}, {"b", 1}}), std::nullopt);
  EXPECT_DOUBLE_EQ(landscape.neighbours(), (9 * 4 - 8) / 8.0) << "a full square less four each way of one corner";
}

TEST(LandscapeTest, TextsAndFractionsArePositions) {
  RecordedSpace recorded;
  recorded.name = "words";
  interchange::SpaceBuilder builder;
  builder.set_parameters({"how", "much"});
  std::vector<interchange::RecordedEntry> entries;
  for (const char* how : {"imad", "vadd4", "none"}) {
    for (const double much : {2.5, 0.5})
      entries.push_back({{builder.choice(0, std::string(how)), builder.choice(1, much)}, "correct", "", much, {}});
  }
  builder.finish(recorded, std::move(entries));
  const Landscape landscape(recorded);
  EXPECT_EQ(landscape.time_us(landscape.space(), {{"how", 2}, {"much", 0}}), 0.5) << "numbers ascending";
}

TEST(LandscapeTest, WithoutATimeThereIsNothingToFind) {
  const RecordedSpace recorded = square(2, [](int64_t, int64_t) { return 0; });
  EXPECT_EQ(sentence([&] { Landscape{recorded}; }),
            "a square: no configuration has a time, so there is nothing to find");
}

TEST(ReplayTest, ExhaustiveCanBeCountedByHand) {
  // 100 points in index order, 100 µs down to 1 µs: after n evaluations the best is 101 − n.
  const Landscape down(square(10, [](int64_t a, int64_t b) { return 100 - static_cast<double>(10 * a + b); }));
  const auto results = run({down}, {{"exhaustive"}, 3, 2});
  ASSERT_EQ(results.size(), 1u);
  const std::vector<size_t> expected{1, 2, 5, 10, 20};
  for (size_t i = 0; i < shares.size(); ++i) {
    const Standing& at = results[0].strategies[0].at_shares[i];
    EXPECT_EQ(at.evaluations, expected[i]);
    EXPECT_DOUBLE_EQ(at.mean, 1.0 / static_cast<double>(101 - expected[i]));
    EXPECT_DOUBLE_EQ(at.tenth, at.mean);
    EXPECT_DOUBLE_EQ(at.standard_error, 0);
  }
}

TEST(ReplayTest, FailuresCostAnEvaluationAndFindNothing) {
  const Landscape half(square(10, [](int64_t a, int64_t b) { return a == 0 ? 0 : slope(a, b); }));
  const auto results = run({half}, {{"exhaustive"}, 1, 1});
  EXPECT_EQ(results[0].points, 100u);
  EXPECT_EQ(results[0].timed, 90u);
  const auto& at = results[0].strategies[0].at_shares;
  EXPECT_EQ(at[3].mean, 0) << "the first ten fail";
  EXPECT_EQ(at[4].mean, 1);
}

TEST(ReplayTest, RandomIsWhatProbabilitySays) {
  // One point of 400 is twice as fast as all others: after 80 random ones it is found with probability 1/5.
  const Landscape needle(square(20, [](int64_t a, int64_t b) { return a == 7 && b == 11 ? 1 : 2; }));
  const auto results = run({needle}, {{"random"}, 2000, 2});
  const Standing& at = results[0].strategies[0].at_shares[4];
  EXPECT_EQ(at.evaluations, 80u);
  EXPECT_NEAR(at.mean, 0.6, 4 * 0.5 * std::sqrt(0.2 * 0.8 / 2000));
  EXPECT_NEAR(at.standard_error, 0.5 * std::sqrt(0.2 * 0.8 / 2000), 0.0005);
  EXPECT_EQ(at.tenth, 0.5);
  EXPECT_EQ(at.ninetieth, 1);
}

TEST(ReplayTest, TheThreadsDoNotMatter) {
  const std::vector<Landscape> landscapes{Landscape(square(30, slope)), Landscape(square(7, slope))};
  const std::vector<std::string> all{"exhaustive", "random", "local", "evolutionary"};
  const auto text = [&](int jobs) { return to_json(run(landscapes, {all, 20, jobs}), 20).dump(); };
  EXPECT_EQ(text(1), text(3));
}

TEST(ReplayTest, ProgressCountsEverySearch) {
  std::set<size_t> seen;
  std::mutex guard;
  run({Landscape(square(5, slope))}, {{"random", "local"}, 10, 2}, [&](size_t done, size_t all) {
    const std::lock_guard lock(guard);
    EXPECT_EQ(all, 20u);
    seen.insert(done);
  });
  EXPECT_EQ(seen.size(), 20u);
}

TEST(ReplayTest, CurvesGrow) {
  const auto results = run(
      {Landscape(square(40, [](int64_t a, int64_t b) { return 10 + static_cast<double>((a * 31 + b * 17) % 97); }))},
      {{"random", "local", "evolutionary"}, 10, 2});
  for (const StrategyResult& one : results[0].strategies) {
    for (size_t i = 1; i < one.curve.size(); ++i) {
      EXPECT_GT(one.curve[i].evaluations, one.curve[i - 1].evaluations);
      EXPECT_GE(one.curve[i].mean, one.curve[i - 1].mean);
      EXPECT_LE(one.curve[i].tenth, one.curve[i].median);
      EXPECT_LE(one.curve[i].median, one.curve[i].ninetieth);
    }
    EXPECT_EQ(one.curve.back().evaluations, 320u);
  }
}

TEST(ReplayTest, PredictThenMeasureNeedsAPredictionOfEveryTimedRow) {
  const RecordedSpace recorded = square(10, slope);
  std::vector<std::optional<double>> predicted;
  for (const auto& entry : recorded.entries) predicted.push_back(*entry.time_us * 3);
  const auto results = run({Landscape(recorded, predicted)}, {{"predict-then-measure"}, 2, 1});
  EXPECT_EQ(results[0].strategies[0].at_shares[0].mean, 1) << "the best at once";
  predicted[17].reset();
  EXPECT_EQ(sentence([&] {
              run({Landscape(recorded, predicted)}, {{"predict-then-measure"}, 2, 1});
            }),
            "predict-then-measure cannot be replayed on \"a square\": of its 100 timed rows 99 have a predicted time "
            "beside the measured one");
}

TEST(ReplayTest, BadSettings) {
  const Landscape one(square(3, slope));
  EXPECT_EQ(sentence([&] { run({one}, {{"random"}, 0, 1}); }), "0 seeds, expected 1 or more");
  EXPECT_NE(sentence([&] {
              run({one}, {{"bayes"}, 1, 1});
            }).find("no search strategy called \"bayes\""),
            std::string::npos);
}

TEST(ReplayTest, EvaluationsOfAShare) {
  EXPECT_EQ(evaluations(0.05, 40), 2u);
  EXPECT_EQ(evaluations(0.05, 41), 3u);
  EXPECT_EQ(evaluations(0.01, 7), 1u);
  EXPECT_EQ(evaluations(0.20, 100), 20u);
}

TEST(ReplayTest, ARecordOfAnH200) {
  // Decode attention, measured: 34 timed points and some that did not compile.
  const Landscape landscape(interchange::read_t4(QOQ_SOURCE_DIR "/tests/autotune/replay/attention-h200.T4.json"));
  EXPECT_EQ(landscape.points(), 44u);
  EXPECT_EQ(landscape.timed(), 34u);
  EXPECT_NEAR(landscape.best_us(), 71.66, 0.01);
  const auto results = run({landscape}, {{"random", "local", "evolutionary"}, 50, 2});
  for (const StrategyResult& one : results[0].strategies) {
    EXPECT_EQ(one.at_shares.back().evaluations, 9u);
    EXPECT_GT(one.at_shares.back().mean, 0.8) << one.strategy;
  }
}

TEST(PrintTest, BothTimesStandBesideTheRatio) {
  const auto results = run({Landscape(square(10, slope))}, {{"random", "local"}, 50, 2});
  const std::string text = to_text(results, 50);
  for (const char* words : {"a square, made up: 100 points of 18.0 neighbours each, 0 failed; best 10.00 us, median",
                            "5 % = 5", "random", "local", "over 50 seeds", " us"})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  EXPECT_EQ(text.find("mean over the"), std::string::npos) << "of one space there is no mean";
  const std::string two =
      to_text(run({Landscape(square(10, slope)), Landscape(square(9, slope))}, {{"random"}, 5, 1}), 5);
  EXPECT_NE(two.find("mean over the 2 spaces"), std::string::npos);
}

TEST(PrintTest, HeldOutProblemsStandApart) {
  std::vector<Landscape> landscapes;
  for (const int size : {10, 9, 8}) landscapes.emplace_back(square(size, slope));
  auto results = run(landscapes, {{"random"}, 20, 1});
  EXPECT_EQ(to_text(results, 20).find("held out"), std::string::npos) << "no model was asked";
  EXPECT_FALSE(to_json(results, 20).contains("overall_held_out"));
  for (size_t i = 0; i < results.size(); ++i) results[i].held_out = i == 1;
  const std::string text = to_text(results, 20);
  EXPECT_NE(text.find("mean over the 3 spaces"), std::string::npos);
  EXPECT_NE(text.find("mean over the 1 of them held out"), std::string::npos) << text;
  const auto json = nlohmann::json::parse(to_json(results, 20).dump());
  const double alone = results[1].strategies[0].at_shares[2].mean;
  EXPECT_EQ(json.at("overall").at("spaces"), 3);
  EXPECT_EQ(json.at("overall_held_out").at("spaces"), 1);
  EXPECT_DOUBLE_EQ(json.at("overall_held_out").at("mean").at("random")[2], alone);
  EXPECT_NE(json.at("overall").at("mean").at("random")[2], alone);
  EXPECT_EQ(json.at("spaces")[1].at("held_out"), true);
  EXPECT_EQ(json.at("spaces")[2].at("held_out"), false);
}

TEST(PrintTest, PredictedTimesSaySo) {
  RecordedSpace recorded = square(4, slope);
  recorded.source = "predicted";
  recorded.name = "evil\x1b[2J";
  const std::string text = to_text(run({Landscape(recorded)}, {{"random"}, 1, 1}), 1);
  EXPECT_NE(text.find("all times PREDICTED"), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(PrintTest, CsvAndJsonHoldTheWholeCurve) {
  const auto results = run({Landscape(square(20, slope))}, {{"random", "local"}, 10, 2});
  const auto json = nlohmann::json::parse(to_json(results, 10).dump());
  EXPECT_EQ(json.at("seeds"), 10);
  const auto& strategies = json.at("spaces")[0].at("strategies");
  ASSERT_EQ(strategies.size(), 2u);
  EXPECT_EQ(strategies[0].at("at_shares").size(), shares.size());
  const size_t places = strategies[0].at("curve").size();
  EXPECT_EQ(places, results[0].strategies[0].curve.size());
  const std::string csv = to_csv(results, 10);
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(csv, '\n')), 1 + 2 * places);
  EXPECT_TRUE(csv.starts_with("space,gpu,source,points,timed,best_us,strategy,seeds,evaluations,"));
}

}  // namespace
}  // namespace qoq::replay
