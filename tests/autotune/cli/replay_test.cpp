// Search strategies against recorded spaces, as a user asks for it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"
#include "tests/autotune/compare/stores.h"

namespace qoq::cli {
namespace {

using namespace testing;
using compare::testing::attached;
using compare::testing::draw;
using compare::testing::measured;
using compare::testing::predicted;
using compare::testing::problem;
using compare::testing::put;
using nlohmann::json;

const std::string recorded = QOQ_SOURCE_DIR "/tests/autotune/replay/attention-h200.T4.json";

class Replay : public ::testing::Test {
 protected:
  Folder folder_;
  std::string db() const { return folder_ / "tune.db"; }

  /// A measured row of the i-th point of 6 × 5; beside it what was predicted, where that is positive.
  static store::Candidate point(int m, int i, double us, double predicted_us = 0) {
    store::Candidate row = measured(problem(m), fmt::format("mma.{}", i), draw(us, 0.01, 5, static_cast<unsigned>(i)));
    row.point = fmt::format(R"({{"block_m":{},"stages":{}}})", i / 5, i % 5);
    row.kernels.clear();
    if (predicted_us > 0)
      row.details = fmt::format(R"({{"settled":true,"predicted":{{"median_us":{}}}}})", predicted_us);
    return row;
  }
  static std::vector<store::Candidate> points(int m, bool with_predictions) {
    std::vector<store::Candidate> rows;
    for (int i = 0; i < 30; ++i)
      rows.push_back(point(m, i, 10 + (i * 7) % 30, with_predictions ? 20 + (i * 7) % 30 : 0));
    return rows;
  }
};

TEST_F(Replay, AFile) {
  const Ran ran = run({"replay", recorded, "--strategy", "local", "--strategy", "random", "--seeds", "50"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  for (const char* words : {"attention kv4 batch=64", "NVIDIA H200", "44 points", "10 failed", "5 % = 3", "local",
                            "random", "over 50 seeds", "best 71.66 us"})
    EXPECT_NE(ran.out.find(words), std::string::npos) << words << "\n" << ran.out;
  EXPECT_LT(ran.out.find("local"), ran.out.find("random")) << "in the order asked for";
  EXPECT_EQ(run({"replay", recorded, "--strategy", "local", "--strategy", "random", "--jobs", "1"}).out, ran.out)
      << "fifty is the default, and processors do not matter";
}

TEST_F(Replay, ADatabaseIsASpaceAProblem) {
  auto rows = points(1, false);
  rows[3].outcome = store::Outcome::Wrong;
  rows[3].reason = "differs";
  rows[3].source = store::Source::None;
  rows[3].median_us.reset();
  rows[3].noise.reset();
  rows[3].samples_us.clear();
  store::Candidate baseline = point(1, 0, 1);
  baseline.baseline = true;
  baseline.variant = "cublaslt";
  rows.push_back(baseline);
  put(db(), attached(), rows);
  put(db(), attached(), points(2, false));
  const json all = json::parse(run({"replay", "--db", db(), "--format", "json"}).out);
  ASSERT_EQ(all.at("spaces").size(), 2u);
  EXPECT_EQ(all.at("spaces")[0].at("points"), 30);
  EXPECT_EQ(all.at("spaces")[0].at("timed"), 29);
  EXPECT_NEAR(all.at("spaces")[0].at("best_us").get<double>(), 10, 0.5) << "never the other library's";
  EXPECT_EQ(all.at("spaces")[0].at("strategies").size(), 3u);
  const json one = json::parse(run({"replay", "--db", db(), "--problem", problem(2), "--format", "json"}).out);
  EXPECT_EQ(one.at("spaces").size(), 1u);
}

TEST_F(Replay, PredictThenMeasureTakesWhatTheRowsHold) {
  put(db(), attached(), points(1, true));
  const Ran ran = run({"replay", "--db", db(), "--strategy", "predict-then-measure", "--format", "json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(json::parse(ran.out).at("spaces")[0].at("strategies")[0].at("at_shares")[0].at("mean"), 1.0);
  put(db(), attached(), points(2, false));
  EXPECT_SENTENCE(run({"replay", "--db", db(), "--strategy", "predict-then-measure"}), 2, "cannot be replayed",
                  problem(2), "30 timed rows 0 have a predicted time");
  EXPECT_SENTENCE(run({"replay", recorded, "--strategy", "predict-then-measure"}), 2, "34 timed rows 0");
}

TEST_F(Replay, FilesToLookAtAndToReadOn) {
  const Ran html = run({"replay", recorded, "--out", folder_ / "search.html"});
  ASSERT_EQ(html.code, 0) << html.err;
  EXPECT_EQ(html.err, "wrote " + (folder_ / "search.html").string() + "\n");
  const std::string page = read_text(folder_ / "search.html");
  for (const char* words :
       {"<canvas id=\"replay-1\"", "aria-label=\"After 5 % of attention", "evolutionary", "best / found"})
    EXPECT_NE(page.find(words), std::string::npos) << words;
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  ASSERT_EQ(run({"replay", recorded, "--out", folder_ / "search.csv"}).code, 0);
  const std::string csv = read_text(folder_ / "search.csv");
  EXPECT_TRUE(csv.starts_with("space,gpu,"));
  EXPECT_GT(std::ranges::count(csv, '\n'), 15);
  ASSERT_EQ(run({"replay", recorded, "--out", folder_ / "search.json"}).code, 0);
  EXPECT_EQ(json::parse(read_text(folder_ / "search.json")).at("seeds"), 50);
}

TEST_F(Replay, APictureOfOneSpace) {
  ASSERT_EQ(run({"replay", recorded, "--out", folder_ / "search.svg"}).code, 0);
  const std::string svg = read_text(folder_ / "search.svg");
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_NE(svg.find("evolutionary"), std::string::npos);
  put(db(), attached(), points(1, false));
  put(db(), attached(), points(2, false));
  EXPECT_SENTENCE(run({"replay", "--db", db(), "--out", folder_ / "two.svg"}), 2, "an .svg shows one space", ".html");
}

/// Rows of the real family, measured as if by a GPU twice as slow as the model says.
TEST_F(Replay, PredictTakesThisModelForEveryRow) {
  if (const std::string why = no_nvrtc(); !why.empty()) GTEST_SKIP() << why;
  write_text(folder_ / "job.yaml", tiny_job());
  ASSERT_EQ(run(tune(folder_.path())).code, 0);
  std::vector<store::Candidate> rows;
  {
    const store::Store simulated = store::Store::open(db(), store::Mode::ReadOnly);
    for (store::Candidate row : simulated.candidates({.outcome = store::Outcome::Ok, .ablated = false})) {
      row.source = store::Source::Measured;
      row.median_us = *row.median_us * 2;
      row.details = "{}";
      rows.push_back(std::move(row));
    }
  }
  ASSERT_GE(rows.size(), 2u);
  // One row holds an earlier model's prediction: that the slowest is the fastest by far.
  const auto slowest = std::ranges::max_element(rows, {}, [](const store::Candidate& row) { return *row.median_us; });
  slowest->details = R"({"predicted":{"median_us":0.001}})";
  const std::string measured_db = folder_ / "measured.db";
  store::Environment h200 = attached();
  put(measured_db, h200, rows);
  const std::vector<std::string> replay{"replay",   "--db", measured_db, "--strategy", "predict-then-measure",
                                        "--format", "json", "--cache",   QOQTUNE_CACHE};
  EXPECT_SENTENCE(run(replay), 2, "have a predicted time");
  auto with = replay;
  with.emplace_back("--predict");
  const Ran ran = run(with);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json answer = json::parse(ran.out);
  const json& space = answer.at("spaces")[0];
  EXPECT_GT(space.at("median_us"), space.at("best_us")) << "else any point would do";
  EXPECT_EQ(space.at("strategies")[0].at("at_shares")[0].at("mean"), 1.0) << "the earlier prediction is not used";
  EXPECT_TRUE(space.at("held_out").is_boolean());
  EXPECT_TRUE(answer.contains("overall_held_out"));
}

TEST_F(Replay, PredictedSpacesSaySo) {
  store::Candidate row = predicted(problem(1), "mma.0", 20);
  row.point = R"({"block_m":16})";
  put(db(), store::testing::simulated(), {row});
  EXPECT_NE(run({"replay", "--db", db()}).out.find("PREDICTED"), std::string::npos);
  ASSERT_EQ(run({"replay", "--db", db(), "--out", folder_ / "p.html"}).code, 0);
  EXPECT_NE(read_text(folder_ / "p.html").find("no GPU has measured it"), std::string::npos);
}

TEST_F(Replay, WhatIsWrongIsSaidInASentence) {
  EXPECT_SENTENCE(run({"replay"}), 2, "FILE.T4.json", "--db");
  EXPECT_SENTENCE(run({"replay", recorded, "--db", db()}), 2, "or a database");
  EXPECT_SENTENCE(run({"replay", "--db", db()}), 2, db(), "no such database");
  EXPECT_SENTENCE(run({"replay", folder_ / "none.T4.json"}), 2, "none.T4.json", "no such file");
  EXPECT_SENTENCE(run({"replay", recorded, "--problem", problem(1)}), 2, "--problem", "a T4 file holds one space");
  EXPECT_SENTENCE(run({"replay", recorded, "--strategy", "bayes"}), 2, "bayes", "evolutionary");
  EXPECT_SENTENCE(run({"replay", recorded, "--strategy", "local", "--strategy", "local"}), 2, "given twice");
  EXPECT_SENTENCE(run({"replay", recorded, "--seeds", "0"}), 2, "--seeds 0", "1 to");
  EXPECT_SENTENCE(run({"replay", recorded, "--jobs", "0"}), 2, "--jobs 0");
  EXPECT_SENTENCE(run({"replay", recorded, "--out", "x.png"}), 2, "x.png", ".html");
  EXPECT_SENTENCE(run({"replay", recorded, "--format", "xml"}), 2, "--format xml");
  EXPECT_SENTENCE(run({"replay", recorded, "--predict"}), 2, "--predict", "--db");
  write_text(folder_ / "bad.T4.json", "{}");
  EXPECT_SENTENCE(run({"replay", folder_ / "bad.T4.json"}), 2, "bad.T4.json", "no T4 file");
  write_text(folder_ / "empty.T4.json", R"({"results":[]})");
  EXPECT_SENTENCE(run({"replay", folder_ / "empty.T4.json"}), 2, "no configuration has a time");
  put(db(), attached(), points(1, false));
  EXPECT_SENTENCE(run({"replay", db()}), 2, "is a database", "replay --db");
  EXPECT_SENTENCE(run({"replay", "--db", db(), "--gpu", "cuda:9"}), 2, "no rows of cuda:9");
  EXPECT_SENTENCE(run({"replay", "--db", db(), "--problem", problem(9)}), 2, "has no problem");
}

}  // namespace
}  // namespace qoq::cli
