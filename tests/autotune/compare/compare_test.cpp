#include "autotune/compare/compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/autotune/compare/stores.h"

namespace qoq::compare {
namespace {

using namespace testing;
using store::Environment;
using store::Source;

class Compare : public ::testing::Test {
 protected:
  Folder folder_;

  void before(const std::vector<store::Candidate>& rows, const Environment& environment = attached()) {
    put(folder_ / "A.db", environment, rows);
  }
  void after(const std::vector<store::Candidate>& rows, const Environment& environment = attached()) {
    put(folder_ / "B.db", environment, rows);
  }
  Comparison compared(const Settings& settings = {}) {
    const auto open = [&](const char* name) { return store::Store::open(folder_ / name, store::Mode::ReadOnly); };
    return compare(open("A.db"), open("B.db"), settings);
  }
  Row only_row() {
    const Comparison all = compared();
    if (all.matches.size() != 1 || all.matches[0].rows.size() != 1) throw std::runtime_error("not one row");
    return all.matches[0].rows[0];
  }
};

TEST_F(Compare, TheFourVerdicts) {
  std::vector<store::Candidate> old_rows, new_rows;
  const std::vector<std::pair<double, double>> ratio_and_noise{{1.1, 0.01}, {0.9, 0.01}, {1, 0.003}, {1.01, 0.03}};
  for (int i = 0; i < 4; ++i) {
    const auto [ratio, noise] = ratio_and_noise[static_cast<size_t>(i)];
    const auto seed = static_cast<unsigned>(10 * i);
    old_rows.push_back(measured(problem(i + 1), "v", draw(20, noise, 60, seed)));
    new_rows.push_back(measured(problem(i + 1), "v", draw(20 * ratio, noise, 60, seed + 1)));
  }
  before(old_rows);
  after(new_rows);
  const Comparison all = compared();
  ASSERT_EQ(all.matches.size(), 1u);
  std::vector<std::string_view> verdicts;
  for (const Row& row : all.matches[0].rows) verdicts.push_back(to_text(row.verdict));
  EXPECT_EQ(verdicts, (std::vector<std::string_view>{"slower", "faster", "same", "unclear"}));
  for (const Row& row : all.matches[0].rows) {
    EXPECT_NEAR(*row.ratio, row.after.time_us / row.before.time_us, 1e-12);
    EXPECT_LT(row.ratio_range->low, *row.ratio);
    EXPECT_GT(row.ratio_range->high, *row.ratio);
  }
  EXPECT_EQ(all.exit_code(), 3);
}

TEST_F(Compare, ExitCodes) {
  before({measured(problem(1), "v", draw(20, 0.003, 60, 1)), measured(problem(2), "v", draw(20, 0.003, 60, 2))});
  after({measured(problem(1), "v", draw(20, 0.003, 60, 3)), measured(problem(2), "v", draw(15, 0.003, 60, 4))});
  EXPECT_EQ(compared().exit_code(), 0);
  after({measured(problem(1), "v", draw(20, 0.003, 5, 3))});  // the same row again, with too few samples
  EXPECT_EQ(compared().exit_code(), 4);
  after({measured(problem(1), "v", draw(25, 0.003, 60, 3))});
  EXPECT_EQ(compared().exit_code(), 3);
}

TEST_F(Compare, OnlyTheBestRowsThatMayBeUsed) {
  store::Candidate slow = measured(problem(1), "slow", draw(40, 0.001, 20, 1)),
                   fast = measured(problem(1), "fast", draw(20, 0.001, 20, 2)), ablated = fast, baseline = fast,
                   unverified = fast;
  for (store::Candidate* row : {&ablated, &baseline, &unverified}) {
    row->samples_us = draw(5, 0.001, 20, 3);
    row->median_us = 5;
  }
  ablated.ablated = true;
  baseline.baseline = true;
  baseline.variant = "cublaslt";
  unverified.verified_on = "";
  unverified.variant = "unverified";
  before({slow, fast, ablated, baseline, unverified});
  after({measured(problem(1), "other", draw(20.05, 0.001, 20, 4))});
  const Row row = only_row();
  EXPECT_EQ(row.before.variant, "fast");
  EXPECT_EQ(row.after.variant, "other");
  EXPECT_EQ(row.verdict, Verdict::Same);
}

TEST_F(Compare, ProblemsOfOneFileAreListed) {
  before({measured(problem(1), "v", draw(20, 0.001, 20, 1)), measured(problem(2), "v", draw(20, 0.001, 20, 1))});
  after({measured(problem(3), "v", draw(20, 0.001, 20, 1)), measured(problem(2), "v", draw(20, 0.001, 20, 1))});
  const Comparison all = compared();
  EXPECT_EQ(all.matches[0].only_before, std::vector{problem(1)});
  EXPECT_EQ(all.matches[0].only_after, std::vector{problem(3)});
  EXPECT_EQ(all.matches[0].rows.size(), 1u);
}

TEST_F(Compare, WhatIsGoneInTheNewFileIsUnclearAndWhatIsNewInItIsFine) {
  const auto old_rows =
      std::vector{measured(problem(1), "v", draw(20, 0.001, 20, 1)), measured(problem(2), "v", draw(20, 0.001, 20, 1))};
  before(old_rows);
  store::Candidate broken = store::testing::candidate(1, problem(2));  // it no longer compiles
  broken.variant = "v";
  broken.outcome = store::Outcome::CompileFailed;
  broken.reason = "error: identifier \"x\" is undefined";
  broken.source = store::Source::None;
  broken.median_us.reset();
  broken.noise.reset();
  broken.samples_us.clear();
  after({old_rows[0], broken, measured(problem(3), "v", draw(20, 0.001, 20, 1))});
  const Comparison all = compared();
  EXPECT_EQ(all.gone(), 1u);
  EXPECT_EQ(all.exit_code(), 4);
  EXPECT_NE(to_text(all).find("1 problem only in A: nothing says that it is not slower in B"), std::string::npos)
      << to_text(all);
  const nlohmann::json json = nlohmann::json::parse(to_json(all).dump());
  EXPECT_EQ(json.at("gone"), 1);
  EXPECT_EQ(json.at("exit_code"), 4);
  after(old_rows);
  EXPECT_EQ(compared().gone(), 0u);
  EXPECT_EQ(compared().exit_code(), 0) << "problem 3 is only new";
  EXPECT_EQ(to_text(compared()).find("only in A"), std::string::npos);
  after({measured(problem(1), "v", draw(30, 0.001, 20, 1))});
  EXPECT_EQ(compared().exit_code(), 3);
}

TEST_F(Compare, AnEnvironmentWithTimesThatIsGoneIsUnclear) {
  const std::vector rows{measured(problem(1), "v", draw(20, 0.001, 20, 1))};
  Environment hot = attached(), graph = attached();
  hot.cache_mode = "hot";
  graph.launch_mode = "graph";
  before(rows);
  before({}, hot);  // stopped before its first time
  after(rows);
  after(rows, graph);
  EXPECT_EQ(compared().exit_code(), 0);
  EXPECT_TRUE(compared().unmatched_before.empty());
  before(rows, hot);
  EXPECT_EQ(compared().unmatched_before.size(), 1u);
  EXPECT_EQ(compared().exit_code(), 4);
}

TEST_F(Compare, TheWinnerOfARaceStandsForItsProblem) {
  const std::vector rows{measured(problem(1), "lucky", draw(19, 0.001, 20, 1)),
                         measured(problem(1), "winner", draw(20, 0.001, 20, 2))};
  before(rows);
  after(rows);
  EXPECT_EQ(only_row().before.variant, "lucky");
  store::Store store = store::Store::open(folder_ / "A.db", store::Mode::ReadWrite);
  store.put_race(store.environments().front().id,
                 {.problem = problem(1), .winner = "winner", .incumbent = "winner", .reason = "in every round"});
  EXPECT_EQ(only_row().before.variant, "winner");
  EXPECT_EQ(only_row().after.variant, "lucky");
}

TEST_F(Compare, NothingInCommonIsUnclear) {
  before({measured(problem(1), "v", draw(20, 0.001, 20, 1))});
  after({measured(problem(2), "v", draw(20, 0.001, 20, 1))});
  EXPECT_EQ(compared().exit_code(), 4);
  store::Store::open(folder_ / "empty.db", store::Mode::ReadWrite);
  EXPECT_EQ(compare(store::Store::open(folder_ / "A.db", store::Mode::ReadOnly),
                    store::Store::open(folder_ / "empty.db", store::Mode::ReadOnly), {})
                .exit_code(),
            4);
}

TEST_F(Compare, WhatDiffersBetweenTheEnvironmentsIsSaid) {
  before({measured(problem(1), "v", draw(20, 0.001, 20, 1))});
  Environment other = attached();
  other.driver = "590.2";
  other.compiler = "NVRTC 13.1";
  other.kernels = "k2";
  other.power_cap_w = 500;
  other.target = "cuda:3";
  other.uuid = "GPU-2";
  after({measured(problem(1), "v", draw(20, 0.001, 20, 1))}, other);
  const Comparison all = compared();
  std::vector<std::string> fields;
  for (const Difference& one : all.matches.at(0).differences) fields.push_back(one.field);
  EXPECT_EQ(fields, (std::vector<std::string>{"target", "GPU id", "power cap, W", "driver", "compiler", "kernels"}));
  EXPECT_NE(to_text(all).find("driver differs: 580.1 -> 590.2"), std::string::npos) << to_text(all);
}

TEST_F(Compare, OtherProductsAndModesAreRefused) {
  before({measured(problem(1), "v", draw(20, 0.001, 20, 1))});
  for (const char* field : {"product", "mig", "cache", "launch", "simulated"}) {
    Environment other = attached();
    const std::string what = field;
    if (what == "product") other.product = "NVIDIA L40S";
    if (what == "mig") other.mig = "1g.18gb";
    if (what == "cache") other.cache_mode = "hot";
    if (what == "launch") other.launch_mode = "graph";
    if (what == "simulated") other.predictor = "model 1";
    std::filesystem::remove(folder_ / "B.db");
    after({measured(problem(1), "v", draw(20, 0.001, 20, 1))}, other);
    const std::string said = store::testing::fault_of([&] { compared(); });
    EXPECT_TRUE(said.starts_with("Input: ")) << field;
    EXPECT_NE(said.find("A.db has rows of NVIDIA H200, weights-cold, eager"), std::string::npos) << said;
    EXPECT_NE(said.find("only one product's times in the same cache and launch mode compare"), std::string::npos);
  }
}

TEST_F(Compare, OfSeveralEnvironmentsTheCommonOnesAreCompared) {
  Environment hot = attached(), l40s = attached();
  hot.cache_mode = "hot";
  l40s.product = "NVIDIA L40S";
  l40s.target = "cuda:1";
  const std::vector rows{measured(problem(1), "v", draw(20, 0.001, 20, 1))};
  before(rows);
  before(rows, hot);
  after(rows, l40s);
  after(rows, hot);
  const Comparison all = compared();
  ASSERT_EQ(all.matches.size(), 1u);
  EXPECT_EQ(all.matches[0].name, "NVIDIA H200, hot, eager");
  EXPECT_EQ(all.unmatched_before, std::vector<std::string>{"NVIDIA H200, weights-cold, eager"});
  EXPECT_EQ(all.unmatched_after, std::vector<std::string>{"NVIDIA L40S, weights-cold, eager"});
  EXPECT_THROW(compared({.target = "cuda:1"}).matches.at(0), std::out_of_range);
}

TEST_F(Compare, TheEnvironmentUsedLastThatHasATime) {
  Environment newer = attached(), stopped = attached();
  newer.kernels = "k2";
  stopped.kernels = "k3";
  before({measured(problem(1), "old", draw(20, 0.001, 20, 1))});
  before({measured(problem(1), "new", draw(20, 0.001, 20, 1))}, newer);
  before({}, stopped);
  after({measured(problem(1), "v", draw(20, 0.001, 20, 1))});
  EXPECT_EQ(only_row().before.variant, "new");
}

TEST_F(Compare, PredictedRowsAreComparedExactly) {
  const Environment simulated = store::testing::simulated();
  before({predicted(problem(1), "v", 20), predicted(problem(2), "v", 20), predicted(problem(3), "v", 20)}, simulated);
  after({predicted(problem(1), "v", 20.3), predicted(problem(2), "v", 20.1), predicted(problem(3), "v", 19)},
        simulated);
  const Comparison all = compared();
  std::vector<Verdict> verdicts;
  for (const Row& row : all.matches.at(0).rows) {
    verdicts.push_back(row.verdict);
    EXPECT_TRUE(row.predicted());
    EXPECT_FALSE(row.ratio_range);
  }
  EXPECT_EQ(verdicts, (std::vector{Verdict::Slower, Verdict::Same, Verdict::Faster}));
  EXPECT_NEAR(*all.mean_ratio(Source::Predicted), std::cbrt(20.3 * 20.1 * 19 / 8000), 1e-12);
  EXPECT_FALSE(all.mean_ratio(Source::Measured));
  EXPECT_NE(to_text(all).find("predicted, exact"), std::string::npos);
  EXPECT_NE(to_text(all).find("(simulated)"), std::string::npos);
}

TEST_F(Compare, MeasuredNeverMeetsPredicted) {
  before({measured(problem(1), "v", draw(20, 0.001, 20, 1))});
  after({predicted(problem(1), "v", 20)});
  const Row row = only_row();
  EXPECT_EQ(row.verdict, Verdict::Unclear);
  EXPECT_FALSE(row.ratio);
  EXPECT_EQ(row.reason, "measured before, predicted after: the two do not compare");
}

TEST_F(Compare, TooFewSamplesAreSaid) {
  before({measured(problem(1), "v", draw(20, 0.001, 20, 1))});
  after({measured(problem(1), "v", draw(40, 0.001, 7, 2))});
  const Row row = only_row();
  EXPECT_EQ(row.verdict, Verdict::Unclear);
  EXPECT_EQ(row.reason, "7 samples in B, at least 8 are needed");
  EXPECT_NEAR(*row.ratio, 2, 0.01) << "the ratio is still shown";
}

TEST_F(Compare, TheTieIsSettable) {
  before({measured(problem(1), "v", draw(20, 0.001, 40, 1))});
  after({measured(problem(1), "v", draw(20.4, 0.001, 40, 2))});
  EXPECT_EQ(compared().exit_code(), 3);
  EXPECT_EQ(compared({.tie = 0.05}).exit_code(), 0);
}

TEST_F(Compare, TextAndJson) {
  before({measured(problem(1), "v", draw(20, 0.001, 40, 1)), measured(problem(2), "old", draw(20, 0.001, 40, 1))});
  after({measured(problem(1), "v", draw(30, 0.001, 40, 2)), measured(problem(2), "new", draw(20, 0.001, 40, 3))});
  const Comparison all = compared();
  const std::string text = to_text(all);
  for (const std::string& words :
       {std::string("slower"), problem(1), std::string("old -> new"),
        std::string("geometric mean of B/A, measured: 1.22"),
        std::string("1 slower, 0 unclear, 1 same, 0 faster; a tie is ± 1 %"), std::string("99 % interval")})
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  const nlohmann::json json = nlohmann::json::parse(to_json(all).dump());
  EXPECT_EQ(json.at("exit_code"), 3);
  EXPECT_EQ(json.at("counts").at("slower"), 1);
  const auto& row = json.at("matches")[0].at("problems")[0];
  EXPECT_EQ(row.at("verdict"), "slower");
  EXPECT_EQ(row.at("source"), "measured");
  EXPECT_NEAR(row.at("before").at("time_us").get<double>(), 20, 0.1);
  EXPECT_NEAR(row.at("after").at("time_us").get<double>(), 30, 0.1);
  EXPECT_LT(row.at("ratio_interval")[0], row.at("ratio"));
  EXPECT_EQ(row.at("after").at("samples"), 40);
  EXPECT_NEAR(json.at("geometric_mean_ratio").at("measured").get<double>(), std::sqrt(1.5), 0.01);
  EXPECT_TRUE(json.at("geometric_mean_ratio").at("predicted").is_null());
}

}  // namespace
}  // namespace qoq::compare
