// From a job to a chosen kernel with the real program, on a small scale: tune, report, select, verify, inspect.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/cli/cli_program.h"

namespace qoq::cli {
namespace {

using namespace testing;
using nlohmann::json;

class StraightLine : public ::testing::Test {
 protected:
  Folder folder_;
  const std::string db_ = folder_ / "tune.db";
  Ran tuned_;

  void SetUp() override {
    if (const std::string reason = no_nvrtc(); !reason.empty()) GTEST_SKIP() << reason;
    write_text(folder_ / "job.yaml", tiny_job({"gemm w4a8-g128 m=16 n=256 k=1024", "gemm w4a8-g128 m=64 n=256 k=1024"},
                                              "[sim:h200, sim:l40s]"));
    tuned_ = run(tune(folder_.path(), {"--quiet"}));
    ASSERT_EQ(tuned_.code, 0) << tuned_.err;
  }
  Ran select(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"select", "--db", db_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  json answer(const std::string& problem) const {
    const Ran ran = select({"--gpu", "sim:h200", "--problem", problem, "--format", "json"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    const json answers = json::parse(ran.out);
    EXPECT_EQ(answers.size(), 1u);
    return answers.at(0);
  }
};

TEST_F(StraightLine, TuneSaysWhatItDid) {
  EXPECT_EQ(tuned_.err, "");
  EXPECT_NE(tuned_.out.find("recorded ("), std::string::npos) << tuned_.out;
  EXPECT_NE(tuned_.out.find(" ok"), std::string::npos) << tuned_.out;
  EXPECT_NE(tuned_.out.find("0 known before"), std::string::npos) << tuned_.out;
  EXPECT_NE(tuned_.out.find("database: " + db_), std::string::npos) << tuned_.out;
  const auto rows = checked_rows(db_);
  EXPECT_NE(tuned_.out.find(fmt::format("{} candidates in ", rows.size())), std::string::npos) << tuned_.out;
  for (const char* target : {"sim:h200 ", "sim:l40s "}) {
    EXPECT_GE(
        std::ranges::count_if(
            rows, [&](const auto& row) { return row.starts_with(target) && row.find(" ok ") != std::string::npos; }),
        4)
        << target;
  }
}

TEST_F(StraightLine, EachWinnerStandsBesideItsAblation) {
  EXPECT_NE(tuned_.out.find("4 ablations of the best kernels"), std::string::npos) << tuned_.out;
  const store::Store store = store::Store::open(db_, store::Mode::ReadOnly);
  const auto rows = store.candidates({.ablated = true});
  ASSERT_EQ(rows.size(), 4u) << "two problems on two targets";
  for (const store::Candidate& row : rows) {
    EXPECT_EQ(row.outcome, store::Outcome::Ok) << row.reason;
    EXPECT_EQ(row.verified_on, "emulator");
    EXPECT_TRUE(row.variant.ends_with(".ablated")) << row.variant;
    const json overhead = json::parse(row.details).at("overhead");
    EXPECT_EQ(overhead.at("of").get<std::string>() + ".ablated", row.variant);
    const json cost = overhead.at("instructions").at("dequantisation");
    // imad: 28 instructions per 32 weights (results/notes/gemm-mma.md), a little more around them.
    EXPECT_GT(cost.at("per_taken").get<double>(), 0.6) << cost;
    EXPECT_LT(cost.at("per_taken").get<double>(), 2.0) << cost;
  }
}

TEST_F(StraightLine, AnotherRunKnowsItAll) {
  const auto before = checked_rows(db_);
  const Ran again = run(tune(folder_.path()));
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.out.find(fmt::format("0 recorded, {} known before", before.size())), std::string::npos) << again.out;
  EXPECT_EQ(checked_rows(db_), before);
}

TEST_F(StraightLine, OnATerminalProgressIsOneLineThatIsRewritten) {
  fs::remove(db_);
  write_text(folder_ / "job.yaml", long_job());
  const std::string text = run_on_terminal(tune(folder_.path()));
  const auto total = checked_rows(db_).size();
  EXPECT_NE(text.find("\r\033[K"), std::string::npos) << text;
  EXPECT_NE(text.find(fmt::format("{0}/{0} (100%)", total)), std::string::npos) << "it ends at the end: " << text;
  EXPECT_NE(text.find("/s"), std::string::npos) << text;
  EXPECT_NE(text.find("best "), std::string::npos) << text;
  EXPECT_NE(text.find("\r\n" + std::to_string(total) + " candidates in"), std::string::npos)
      << "the summary has its own line: " << text;
  for (size_t begin = 0; (begin = text.find("\r\033[K", begin)) != std::string::npos;) {
    begin += 4;
    EXPECT_LT(text.find_first_of("\r\n", begin) - begin, 100u) << "longer than the terminal is wide";
  }
  EXPECT_EQ(run_on_terminal(tune(folder_.path(), {"--quiet"})).find('\033'), std::string::npos);
}

TEST_F(StraightLine, ReportWritesItsFiles) {
  const std::string out = folder_ / "out";
  const Ran ran = run({"report", "--db", db_, "--out", out});
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const char* file : {"report.html", "report.md", "candidates.csv"}) {
    EXPECT_NE(ran.out.find(out + "/" + file), std::string::npos) << ran.out;
    EXPECT_GT(read_text(out + "/" + file).size(), 200u) << file;
  }
  EXPECT_NE(read_text(out + "/report.md").find("gemm w4a8-g128 m=16 n=256 k=1024"), std::string::npos);
  const std::string csv = read_text(out + "/candidates.csv");
  EXPECT_EQ(static_cast<size_t>(std::count(csv.begin(), csv.end(), '\n')), count_candidates(db_, true) + 1)
      << "a line a row, ablations too";
}

TEST_F(StraightLine, SelectTellsHowItFoundAChoice) {
  const json exact = answer("gemm w4a8-g128 m=16 n=256 k=1024");
  EXPECT_EQ(exact.at("how"), "exact");
  EXPECT_EQ(exact.at("target"), "sim:h200");
  EXPECT_GT(exact.at("expected_us").get<double>(), 0);
  const std::string variant = exact.at("variant");
  EXPECT_TRUE(variant.starts_with("mma.w4a8-g128.")) << variant;

  const json between = answer("gemm w4a8-g128 m=17 n=256 k=1024");
  EXPECT_EQ(between.at("how"), "between");
  EXPECT_GE(between.at("evidence").size(), 2u) << "both neighbours";

  const json other = answer("gemm w4a8-g128 m=16 n=512 k=2048");
  EXPECT_EQ(other.at("how"), "default");
  EXPECT_FALSE(other.at("variant").get<std::string>().empty());

  const Ran text = select({"--problem", "gemm w4a8-g128 m=17 n=256 k=1024"});
  EXPECT_EQ(text.code, 0);
  for (const char* word : {"sim:h200", "sim:l40s", "between", "predicted"})
    EXPECT_NE(text.out.find(word), std::string::npos) << word << "\n" << text.out;
}

TEST_F(StraightLine, AChosenVariantCanBeVerifiedAndInspected) {
  const json exact = answer("gemm w4a8-g128 m=16 n=256 k=1024");
  const std::string variant = exact.at("variant");
  const Ran verified =
      run({"verify", "--variant", variant, "--cache", QOQTUNE_CACHE, "--format", "json", "--seed", "9"});
  EXPECT_EQ(verified.code, 0) << verified.err;
  const json row = json::parse(verified.out).at(0);
  EXPECT_EQ(row.at("variant"), variant);
  EXPECT_EQ(row.at("verdict"), "ok");
  EXPECT_EQ(row.at("seed"), 9);

  const Ran inspected = run({"inspect", variant, "--gpu", "sim:h200", "--cache", QOQTUNE_CACHE, "--format", "json"});
  EXPECT_EQ(inspected.code, 0) << inspected.err;
  const json launch = json::parse(inspected.out).at("launches").at(0);
  EXPECT_GT(launch.at("registers").get<int>(), 16);
  EXPECT_FALSE(launch.at("main_loop").empty());
  const Ran text = run({"inspect", variant, "--cache", QOQTUNE_CACHE});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("registers"), std::string::npos) << text.out;
}

TEST_F(StraightLine, SelectWritesEverySelectionAsJson) {
  const std::string file = folder_ / "selection.json";
  const Ran ran = select({"--out", file});
  EXPECT_EQ(ran.code, 0) << ran.err;
  const json all = json::parse(read_text(file));
  ASSERT_EQ(all.size(), 2u);
  for (const json& selection : all) {
    EXPECT_EQ(selection.at("job"), "tiny");
    EXPECT_EQ(selection.at("choices").size(), 2u);
    EXPECT_EQ(selection.at("groups").size(), 1u);
  }
  const Ran printed = select({"--format", "json"});
  EXPECT_EQ(json::parse(printed.out), all);
  EXPECT_EQ(select({}).code, 0);
  EXPECT_SENTENCE(select({"--out", "/proc/qoqtune.json"}), 1, "/proc/qoqtune.json");
}

TEST_F(StraightLine, SelectRefusesWhatCannotBeAsked) {
  EXPECT_SENTENCE(select({"--problem", "gemm w2a2 m=16 n=256 k=1024"}), 2, "w2a2", "w4a8-g128");
  EXPECT_SENTENCE(select({"--problem", "gemm w4a8-g128 m=16 n=256 k=1000"}), 2, "k=1000", "128");
  EXPECT_SENTENCE(select({"--problem", "gemm w4a8-g128 m=0 n=256 k=1024"}), 2, "m=0");
  EXPECT_SENTENCE(select({"--problem", "gemm w4a8-g128 m=16 n=256"}), 2, "k");
  EXPECT_SENTENCE(select({"--problem", "gemm w4a8-g128 m=16 n=256 k=1024 z=1"}), 2, "z");
  EXPECT_SENTENCE(select({"--problem", "what is best"}), 2, "what is best");
  EXPECT_SENTENCE(select({"--problem", ""}), 2, "problem");
  EXPECT_SENTENCE(select({"--gpu", "sim:b200"}), 2, "sim:b200", "sim:h200, sim:l40s");
}

TEST_F(StraightLine, OutputForPeopleAndForProgramsGoesToStdout) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"--problem", "gemm w4a8-g128 m=17 n=256 k=1024"}}) {
    for (const char* format : {"text", "json"}) {
      auto arguments = more;
      arguments.insert(arguments.end(), {"--format", format});
      const Ran ran = select(arguments);
      EXPECT_EQ(ran.code, 0);
      EXPECT_EQ(ran.err, "");
      EXPECT_EQ(json::accept(ran.out), format == std::string("json")) << ran.out;
    }
  }
}

}  // namespace
}  // namespace qoq::cli
