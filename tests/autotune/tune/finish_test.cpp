// What follows the search on an attached GPU, with a GPU that answers from a script.
#include "autotune/tune/finish.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "autotune/tune/tune.h"
#include "tests/autotune/tune/fakes.h"

namespace qoq::tune {
namespace {

using namespace testing;
using store::Candidate;
using store::Outcome;

/// Takes what Script::times_us says; in races too, where the faster one wins by more than a per cent.
class ScriptedGpu final : public worker::Gpu {
 public:
  explicit ScriptedGpu(Script& script) : script_(script) {}

  verify::Verdict verify(const measure::Subject& subject, uint64_t seed) override {
    verify::Verdict verdict;
    verdict.status = verify::Verdict::Status::Ok;
    verdict.where = "cuda";
    verdict.problem = subject.problem;
    verdict.seed = seed;
    script_.note("verify " + name(subject));
    return verdict;
  }
  measure::Sample time(const measure::Subject& subject, measure::Modes) override {
    script_.note("time " + name(subject));
    measure::Sample sample = sample_of(subject, 12);
    if (script_.untimed.contains(name(subject))) {
      sample = {};
      sample.failure = "did not end within 10 s";
      sample.timed_out = true;
    }
    if (name(subject) == held_back) {
      sample = {};
      sample.failure = "all 30 samples were thrown away: the clocks were held back";
      sample.transient = true;
    }
    return sample;
  }
  measure::RaceResult race(std::span<const measure::Subject> subjects, size_t incumbent, measure::Modes) override {
    measure::RaceResult result;
    result.winner = incumbent;
    if (!fails_in_race.empty()) {
      for (const auto& subject : subjects) {
        measure::Sample sample;
        sample.failure =
            name(subject) == fails_in_race ? "an illegal address" : "the race broke off: an illegal address";
        result.samples.push_back(sample);
        result.left_after.push_back(0);
      }
      fails_in_race.clear();
      return result;
    }
    std::string names;
    for (size_t i = 0; i < subjects.size(); ++i) {
      names += (i == incumbent ? " *" : " ") + name(subjects[i]);
      result.samples.push_back(sample_of(subjects[i], 40));
      result.left_after.push_back(-1);
      if (us(subjects[i]) < 0.99 * us(subjects[result.winner])) result.winner = i;
    }
    script_.note("race" + names);
    result.changed = result.winner != incumbent;
    result.reason = result.changed ? "faster" : "tie";
    return result;
  }
  CrossCheck cross_check(const measure::Subject& subject, measure::Modes) override {
    script_.note("cross-check " + name(subject));
    return {us(subject), us(subject) * 0.99, us(subject) * 0.9, no_cupti ? "CUPTI is not installed" : ""};
  }
  counters::CounterReading count(const measure::Subject& subject) override {
    script_.note("count " + name(subject));
    return {counters::Rung::Counters, {{"dram_read_bytes", 1e6}}, 3, ""};
  }
  baselines::BaselineRun run_baselines(const measure::Subject& subject, measure::Modes) override {
    script_.note("baselines " + subject.problem.text());
    baselines::BaselineRun run;
    baselines::BaselineRow row{"lib/int8", "lib.int8.c00", "int8", {}, {}, 64, R"({"tile":3})"};
    row.sample.samples_us.assign(30, 8.0);
    measure::summarize(row.sample);
    row.verdict.status = verify::Verdict::Status::Ok;
    row.verdict.where = "cuda";
    row.verdict.problem = subject.problem;
    run.rows.push_back(row);
    row.id = "lib.int8.c01";
    row.verdict.status = verify::Verdict::Status::Wrong;
    row.verdict.message = "y[3] is 7, expected 8";
    run.rows.push_back(row);
    run.absent.push_back({"other/fp8", "fp8", true, "missing: libother.so is not installed"});
    return run;
  }
  bool no_cupti = false;
  std::string fails_in_race, held_back;

 private:
  static std::string name(const measure::Subject& subject) {
    return subject.family->variant(subject.point, subject.problem);
  }
  double us(const measure::Subject& subject) const {
    const auto found = script_.times_us.find(name(subject));
    return found == script_.times_us.end() ? 10 : found->second;
  }
  measure::Sample sample_of(const measure::Subject& subject, size_t count) const {
    measure::Sample sample;
    sample.samples_us.assign(count, us(subject));
    sample.gpu_s = 1e-3;
    sample.stopped_by = "relative-iqr";
    measure::summarize(sample);
    return sample;
  }
  Script& script_;
};

class FinishTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto family = std::make_unique<ToyFamily>();
    toy_ = family.get();
    families_.push_back(std::move(family));
    script_.times_us = {{"toy/only.a0.b0", 10.5}, {"toy/only.a0.b1", 10.2},  {"toy/only.a1.b0", 10.0},
                        {"toy/only.a1.b1", 13.0}, {"toy/only.a2.b0", 10.05}, {"toy/only.a2.b1", 10.3}};
  }
  Summary run() {
    store::Store store = store::Store::open(folder_ / "tune.db", store::Mode::ReadWrite);
    Target target = resolve_targets({"sim:h200"}).front();
    target.name = "cuda:0";
    target.attached.emplace();
    target.attached->uuid = "GPU-toy";
    target.attached->device = target.device;
    target.attached->driver_version = driver_version_;
    auto gpu = std::make_shared<ScriptedGpu>(script_);
    gpu->no_cupti = no_cupti_;
    gpu->fails_in_race = fails_in_race_;
    gpu->held_back = held_back_;
    std::vector<Workshop> shops;
    shops.push_back({target,
                     std::make_unique<ScriptedCompiler>(script_),
                     make_cuda_proof(gpu, 5),
                     make_measuring_clock(gpu, {}),
                     gpu,
                     gpu,
                     {},
                     extras_});
    Progress progress(0, true);
    return tune(job_, shops, store, {}, progress, {}, families_);
  }
  store::Store read() const { return store::Store::open(folder_ / "tune.db", store::Mode::ReadOnly); }
  Candidate row(const std::string& variant) const {
    const store::Store store = read();
    for (Candidate& row : store.candidates({.environment = store.environments().back().id})) {
      if (row.variant == variant) return row;
    }
    ADD_FAILURE() << "no row of " << variant;
    return {};
  }
  store::RaceRow last_race() const { return read().races(read().environments().back().id).front(); }

  store::testing::Folder folder_;
  job::Families families_;
  ToyFamily* toy_ = nullptr;
  Script script_;
  Extras extras_{.baselines = false, .ablations = false};
  job::Job job_ = toy_job({"toy i8 n=64"});
  int driver_version_ = 13000;
  bool no_cupti_ = false;
  std::string fails_in_race_, held_back_;
};

TEST_F(FinishTest, TheFastestOfEachLayoutRaceAndTheirSamplesBecomeTheRows) {
  const Summary summary = run();
  EXPECT_EQ(summary.races, 1u);
  // Even: a1.b0, a2.b0, a0.b0; odd: a0.b1, a2.b1; a1.b1 is out of reach. Nothing was before: the fastest defends.
  EXPECT_EQ(script_.count("race *toy/only.a1.b0 toy/only.a2.b0 toy/only.a0.b1 toy/only.a2.b1 toy/only.a0.b0"), 1u);
  EXPECT_EQ(row("toy/only.a1.b0").samples_us.size(), 40u);
  EXPECT_EQ(row("toy/only.a1.b1").samples_us.size(), 12u);
  EXPECT_TRUE(nlohmann::json::parse(row("toy/only.a1.b0").details).at("raced").get<bool>());
  EXPECT_EQ(last_race().winner, "toy/only.a1.b0");
  EXPECT_EQ(script_.count("cross-check toy/only.a1.b0"), 1u);
  EXPECT_EQ(script_.count("cross-check toy/only.a2.b1"), 1u) << "of every finalist";
  const auto details = nlohmann::json::parse(row("toy/only.a1.b0").details);
  EXPECT_NEAR(details.at("cross_check").at("activity_us").get<double>(), 9.9, 1e-9);
  EXPECT_EQ(script_.count("count toy/only.a1.b0"), 1u);
  EXPECT_EQ(details.at("counters").at("values").at("dram_read_bytes").get<double>(), 1e6);
  EXPECT_NEAR(details.at("cross_check").at("kernels_us").get<double>(), 9, 1e-9);
  EXPECT_NEAR(summary.gpu_s, 6e-3, 1e-9);
}

TEST_F(FinishTest, ThePublishedPointDefendsAndATieIsItsOwn) {
  toy_->published_point = Point{{"a", 2}, {"b", 0}};
  run();
  EXPECT_EQ(last_race().incumbent, "toy/only.a2.b0");
  EXPECT_EQ(last_race().winner, "toy/only.a2.b0") << "0.5 % is a tie";
}

TEST_F(FinishTest, TheRaceWinnersAblationIsMeasuredRightAfterTheKernel) {
  // Within the race's 1 % the published point keeps its place, though a1.b0 has the shorter median.
  toy_->published_point = Point{{"a", 2}, {"b", 0}};
  script_.times_us["toy/only.a2.b0.ablated"] = 8.04;
  extras_.ablations = true;
  EXPECT_EQ(run().ablations, 1u);
  ASSERT_GE(script_.diary.size(), 2u);
  const auto bare = std::ranges::find(script_.diary, "time toy/only.a2.b0.ablated");
  ASSERT_NE(bare, script_.diary.end());
  EXPECT_EQ(*(bare - 1), "time toy/only.a2.b0") << "both under the same clocks";
  const auto overhead = nlohmann::json::parse(row("toy/only.a2.b0.ablated").details).at("overhead");
  EXPECT_EQ(overhead.at("source"), "measured");
  EXPECT_NEAR(overhead.at("kernel_us").get<double>() / overhead.at("ablation_us").get<double>(), 1.25, 1e-9);
  EXPECT_EQ(row("toy/only.a2.b0.ablated").source, store::Source::Measured);
  EXPECT_EQ(last_race().winner, "toy/only.a2.b0");
}

TEST_F(FinishTest, NothingNewMeansNoNewRace) {
  run();
  script_.diary.clear();
  const Summary again = run();
  EXPECT_EQ(again.races, 0u);
  EXPECT_TRUE(std::ranges::none_of(script_.diary, [](const std::string& event) {
    return event.starts_with("race") || event.starts_with("count") || event.starts_with("cross-check");
  }));
}

TEST_F(FinishTest, RevalidationTriesOnlyWhatWasBestAndKeepsTheWinnerUnlessBeaten) {
  toy_->a = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  for (int a = 3; a < 9; ++a) script_.times_us["toy/only.a" + std::to_string(a) + ".b0"] = 20 + a;
  run();
  script_.diary.clear();
  driver_version_ = 13010;
  extras_.revalidate = true;
  script_.times_us["toy/only.a0.b1"] = 9.95;  // now the fastest, by a tie
  run();
  EXPECT_EQ(script_.count("time toy/only.a1.b0"), 1u);
  EXPECT_EQ(std::ranges::count_if(script_.diary, [](const auto& event) { return event.starts_with("time "); }), 6);
  EXPECT_EQ(last_race().incumbent, "toy/only.a1.b0");
  EXPECT_EQ(last_race().winner, "toy/only.a1.b0");
  EXPECT_EQ(read().environments().size(), 2u) << "rows of another driver are rows of another environment";
}

TEST_F(FinishTest, AHangCostsOneRow) {
  script_.untimed = {"toy/only.a1.b0"};
  const Summary summary = run();
  EXPECT_EQ(row("toy/only.a1.b0").outcome, Outcome::Timeout);
  EXPECT_EQ(row("toy/only.a1.b0").reason, "did not end within 10 s");
  EXPECT_EQ(summary.outcomes.at(Outcome::Ok), 5u);
  EXPECT_EQ(last_race().winner, "toy/only.a2.b0");
}

TEST_F(FinishTest, AFinalistThatFailsInTheRaceIsStruckOffAndTheOthersRaceAgain) {
  fails_in_race_ = "toy/only.a1.b0";
  run();
  EXPECT_EQ(row("toy/only.a1.b0").outcome, Outcome::LaunchFailed);
  EXPECT_EQ(row("toy/only.a1.b0").reason, "in the race: an illegal address");
  EXPECT_FALSE(row("toy/only.a1.b0").median_us.has_value());
  EXPECT_EQ(row("toy/only.a0.b0").outcome, Outcome::Ok) << "not to blame";
  EXPECT_EQ(last_race().winner, "toy/only.a2.b0");
}

TEST_F(FinishTest, ARunThatEndedBeforeItsRaceRacesNextTime) {
  extras_.race = false;
  run();
  EXPECT_EQ(script_.count("race"), 0u);
  extras_.race = true;
  const Summary summary = run();
  EXPECT_EQ(summary.races, 1u) << "its rows are newer than any race";
}

TEST_F(FinishTest, WhatTheMomentSpoiledIsLeftOpenForTheNextRun) {
  held_back_ = "toy/only.a1.b0";
  EXPECT_EQ(run().outcomes.at(Outcome::Ok), 5u);
  held_back_.clear();
  script_.diary.clear();
  script_.times_us["toy/only.a1.b0"] = 9;
  EXPECT_EQ(run().outcomes.at(Outcome::Ok), 1u);
  EXPECT_EQ(script_.count("time toy/only.a1.b0"), 1u);
  EXPECT_EQ(last_race().winner, "toy/only.a1.b0");
}

TEST_F(FinishTest, WhatCouldNotBeCheckedSaysWhy) {
  no_cupti_ = true;
  run();
  EXPECT_EQ(nlohmann::json::parse(row("toy/only.a1.b0").details).at("cross_check").at("missing").get<std::string>(),
            "CUPTI is not installed");
}

TEST_F(FinishTest, BaselinesAreRowsThatNobodySelects) {
  extras_.baselines = true;
  run();
  const Candidate right = row("lib.int8.c00"), wrong = row("lib.int8.c01"), missing = row("other/fp8");
  EXPECT_TRUE(right.baseline);
  EXPECT_EQ(right.outcome, Outcome::Ok);
  EXPECT_EQ(right.samples_us.size(), 30u);
  EXPECT_EQ(nlohmann::json::parse(right.details).at("tile").get<int>(), 3);
  EXPECT_EQ(wrong.outcome, Outcome::Wrong);
  EXPECT_FALSE(wrong.median_us.has_value());
  EXPECT_EQ(missing.outcome, Outcome::LaunchFailed);
  EXPECT_EQ(missing.reason, "missing: libother.so is not installed");
  const store::Store store = read();
  EXPECT_FALSE(store.best(store.environments().back().id).front().baseline);
  script_.diary.clear();
  run();
  EXPECT_EQ(script_.count("baselines toy i8 n=64"), 0u) << "once is enough";
}

TEST_F(FinishTest, MeasuredCeilingsReplaceTheSheets) {
  run();
  const double listed_us = row("toy/only.a0.b0").speed_of_light_us;
  {
    store::Store store = store::Store::open(folder_ / "tune.db", store::Mode::ReadWrite);
    const roofline::Gpu sheet = *resolve_targets({"sim:h200"}).front().sheet;
    store.put_ceiling(1, {"tensor.int8", 0.8 * sheet.tensor_ops("int8") * 1e-12, "TOPS", 0, "{}", ""});
  }
  driver_version_ = 13010;  // another environment of the same GPU
  run();
  EXPECT_NEAR(row("toy/only.a0.b0").speed_of_light_us, listed_us / 0.8, 0.01 * listed_us);
  EXPECT_NE(read().environments().back().gpu.ceilings.find("by this program's ceilings"), std::string::npos);
}

TEST_F(FinishTest, TheCompilerWorksAheadOfTheGpuPartByPart) {
  for (int a = 3; a < 40; ++a) toy_->a.push_back(a == 9 ? 40 : a);
  run();
  const auto& diary = script_.diary;
  const auto first_time = std::ranges::find_if(diary, [](const auto& event) { return event.starts_with("time "); });
  const auto compiled =
      std::count_if(diary.begin(), first_time, [](const auto& e) { return e.starts_with("compile"); });
  EXPECT_GE(compiled, 16);
  EXPECT_LT(compiled, 64) << "the first is timed before all are built";
}

}  // namespace
}  // namespace qoq::tune
