// Rows for other programs, and what a T4 file holds.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "autotune/interchange/t4.h"
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

class Rows : public ::testing::Test {
 protected:
  Folder folder_;
  std::string db() const { return folder_ / "tune.db"; }

  static store::Candidate at(store::Candidate row, int block) {
    row.variant = fmt::format("mma.bm{}", block);
    row.point = fmt::format(R"({{"block_m":{},"stages":2}})", block);
    return row;
  }
  static store::Candidate failed(int block, store::Outcome outcome, const std::string& reason) {
    store::Candidate row = at(predicted(problem(1), "", 1), block);
    row.outcome = outcome;
    row.reason = reason;
    row.source = store::Source::None;
    row.median_us.reset();
    row.kernels.clear();
    return row;
  }
  /// One problem's rows of every outcome, with an ablation and another library's kernel beside.
  static std::vector<store::Candidate> all_outcomes() {
    store::Candidate ablated = at(measured(problem(1), "", draw(9, 0.01, 10, 3)), 16),
                     baseline = at(measured(problem(1), "", draw(8, 0.01, 10, 4)), 16);
    ablated.ablated = true;
    baseline.baseline = true;
    baseline.variant = "cublaslt";
    return {at(measured(problem(1), "", draw(20, 0.01, 10, 1)), 16),
            at(measured(problem(1), "", draw(10, 0.01, 10, 2)), 64),
            failed(8, store::Outcome::Illegal, "warps do not divide it"),
            failed(32, store::Outcome::CompileFailed, "ptxas: no, \"never\""),
            failed(128, store::Outcome::LaunchFailed, "illegal address"),
            failed(256, store::Outcome::Wrong, "differs"),
            failed(512, store::Outcome::Timeout, "10 s"),
            ablated,
            baseline};
  }
  Ran rows(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"rows", "--db", db()};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
};

TEST_F(Rows, Csv) {
  put(db(), attached(), all_outcomes());
  put(db(), store::testing::simulated(), {predicted(problem(2), "v", 20)});
  const Ran ran = rows({});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1 + 9 + 1);
  EXPECT_NE(ran.out.find("\"ptxas: no, \"\"never\"\"\""), std::string::npos);
  const Ran one = rows({"--format", "csv", "--gpu", "sim:h200"});
  EXPECT_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 2);
  const Ran other = rows({"--problem", problem(1), "--out", folder_ / "rows.csv"});
  EXPECT_EQ(other.code, 0);
  EXPECT_EQ(other.out, "wrote " + (folder_ / "rows.csv").string() + "\n");
  const std::string file = read_text(folder_ / "rows.csv");
  EXPECT_EQ(std::count(file.begin(), file.end(), '\n'), 1 + 9);
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    EXPECT_EQ(entry.path().filename().string().find(".tmp"), std::string::npos) << entry.path();
}

TEST_F(Rows, T4ReadsBackEqual) {
  const auto all = all_outcomes();
  put(db(), attached(), all);
  const Ran ran = rows({"--format", "t4", "--out", folder_ / "own.T4.json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.err, "left out: 2 rows that are no timed or failed point of a space\n");
  const auto space = interchange::read_t4(folder_ / "own.T4.json");
  EXPECT_EQ(space.name, problem(1));
  EXPECT_EQ(space.kernel, "gemm/mma");
  EXPECT_EQ(space.gpu, "NVIDIA H200");
  EXPECT_EQ(space.source, "measured");
  EXPECT_EQ(space.parameters.size(), 2u);
  const std::vector<std::string> words{"correct", "correct",     "constraints", "compile",
                                       "runtime", "correctness", "timeout"};
  ASSERT_EQ(space.entries.size(), words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    const auto& entry = space.entries[i];
    EXPECT_EQ(entry.invalidity, words[i]);
    EXPECT_EQ(entry.reason, all[i].reason);
    EXPECT_EQ(entry.time_us, all[i].median_us);
    EXPECT_EQ(interchange::to_text(space.value(entry, 0)), all[i].variant.substr(6));
    EXPECT_EQ(entry.samples_us, i < 2 ? all[i].samples_us : std::vector<double>{});
  }
  EXPECT_EQ(read_text(folder_ / "own.T4.json").find("GPU-1"), std::string::npos) << "the GPU's id is nobody's business";
}

TEST_F(Rows, T4OfPredictionsSaysSo) {
  put(db(), store::testing::simulated(), {at(predicted(problem(1), "", 20), 16)});
  const Ran ran = rows({"--format", "t4"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto space = interchange::parse_t4(ran.out, "x.T4.json");
  EXPECT_EQ(space.source, "predicted");
  EXPECT_TRUE(space.entries.at(0).samples_us.empty());
}

TEST_F(Rows, T4OfSeveralProblems) {
  put(db(), attached(),
      {at(measured(problem(1), "", draw(20, 0.01, 10, 1)), 16),
       at(measured(problem(2), "", draw(20, 0.01, 10, 2)), 16)});
  EXPECT_SENTENCE(rows({"--format", "t4"}), 2, "2 are asked for", "--problem", "--out DIR/");
  EXPECT_EQ(rows({"--format", "t4", "--problem", problem(2)}).code, 0);
  const Ran ran = rows({"--format", "t4", "--out", (folder_ / "t4").string() + "/"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  std::set<std::string> names;
  for (const auto& file : fs::directory_iterator(folder_ / "t4")) {
    names.insert(interchange::read_t4(file.path()).name);
    EXPECT_TRUE(file.path().filename().string().ends_with("-NVIDIA-H200.T4.json")) << file.path();
  }
  EXPECT_EQ(names, (std::set<std::string>{problem(1), problem(2)}));
}

TEST_F(Rows, GoogleBenchmarksShape) {
  put(db(), attached(), all_outcomes());
  put(db(), store::testing::simulated(), {predicted(problem(2), "v", 20)});
  const Ran ran = rows({"--format", "gbench"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json file = json::parse(ran.out);
  EXPECT_EQ(file.at("benchmarks").size(), 4u * (10 + 4)) << "two rows, the ablation and the baseline";
  EXPECT_EQ(file.at("benchmarks")[0].at("name"), problem(1) + "/mma.bm16");
  EXPECT_EQ(file.at("context").at("gpu"), "NVIDIA H200");
  EXPECT_SENTENCE(rows({"--format", "gbench", "--gpu", "sim:h200"}), 2, "no measured row");
  store::Environment second = attached();
  second.target = "cuda:1";
  put(db(), second, all_outcomes());
  EXPECT_SENTENCE(rows({"--format", "gbench"}), 2, "cuda:0", "cuda:1", "--gpu");
}

TEST_F(Rows, WhatAT4FileHolds) {
  put(db(), attached(), all_outcomes());
  ASSERT_EQ(rows({"--format", "t4", "--out", folder_ / "own.T4.json"}).code, 0);
  const Ran text = run({"rows", folder_ / "own.T4.json"});
  EXPECT_EQ(text.code, 0) << text.err;
  for (const char* words : {"7, 2 with a time", "1 compile", "block_m", "block_m=64 stages=2", "quartiles"})
    EXPECT_NE(text.out.find(words), std::string::npos) << words << "\n" << text.out;
  const json file = json::parse(run({"rows", folder_ / "own.T4.json", "--format", "json"}).out);
  EXPECT_EQ(file.at("entries"), 7);
  EXPECT_EQ(file.at("best").at("configuration").at("block_m"), 64);
}

TEST_F(Rows, WhatIsWrongIsSaidInASentence) {
  EXPECT_SENTENCE(rows({}), 2, db(), "no such database");
  put(db(), attached(), all_outcomes());
  EXPECT_SENTENCE(rows({"--format", "xml"}), 2, "--format xml", "csv, t4 or gbench");
  EXPECT_SENTENCE(rows({"--gpu", "cuda:9"}), 2, "no rows of cuda:9");
  EXPECT_SENTENCE(rows({"--problem", problem(9)}), 2, "has no problem", problem(9));
  EXPECT_SENTENCE(run({"rows", db()}), 2, "is a database", "rows --db");
  EXPECT_SENTENCE(run({"rows", folder_ / "none.T4.json"}), 2, "none.T4.json", "no such file");
  write_text(folder_ / "bad.T4.json", "{\n  \"results\": [oops]\n}");
  EXPECT_SENTENCE(run({"rows", folder_ / "bad.T4.json"}), 2, "bad.T4.json:2:1", "not JSON");
  write_text(folder_ / "bad.T4.json.gz", "\x1f\x8b\x08 and no more");
  EXPECT_SENTENCE(run({"rows", folder_ / "bad.T4.json.gz"}), 2, "bad.T4.json.gz", "gzip");
  EXPECT_SENTENCE(run({"rows", folder_ / "bad.T4.json", "--format", "csv"}), 2, "--format csv", "text or json");
}

}  // namespace
}  // namespace qoq::cli
