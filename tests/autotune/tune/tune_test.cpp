// The straight line with everything beside it scripted: no CUDA, no compiler, no emulator.
#include "autotune/tune/tune.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/autotune/tune/fakes.h"

namespace qoq::tune {
namespace {

using namespace testing;
using store::Candidate;
using store::Outcome;
using Status = verify::Verdict::Status;

class Tune : public ::testing::Test {
 protected:
  store::testing::Folder folder_;
  job::Families families_;
  ToyFamily& toy_ = add_family();
  Script script_;
  job::Job job_ = toy_job({"toy i8 n=64"});
  search::Settings settings_;

  ToyFamily& add_family() {
    auto family = std::make_unique<ToyFamily>();
    ToyFamily& added = *family;
    families_.push_back(std::move(family));
    return added;
  }
  store::Store open(store::Mode mode = store::Mode::ReadWrite) const {
    return store::Store::open(folder_ / "tune.db", mode);
  }

  /// One run of the program, on its own opening of the database.
  Summary run(std::stop_token stop = {}, const std::vector<std::string>& targets = {"sim:h200"}) {
    store::Store store = open();
    auto shops = workshops(script_, targets);
    Progress progress(0, true);
    const Summary summary = tune(job_, shops, store, settings_, progress, stop, families_);
    steps_ = progress.done();
    return summary;
  }
  /// Runs until the script has seen `event` as often as `times`, then asks to stop.
  Summary run_until(const std::string& beginning, size_t times) {
    std::stop_source source;
    script_.after = [&, seen = size_t{0}](const std::string& event) mutable {
      if (event.starts_with(beginning) && ++seen == times) source.request_stop();
    };
    const Summary summary = run(source.get_token());
    script_.after = nullptr;
    return summary;
  }
  std::vector<Candidate> rows() const { return open(store::Mode::ReadOnly).candidates({}); }
  std::map<std::string, Candidate> by_variant() const {
    std::map<std::string, Candidate> result;
    for (const Candidate& row : rows()) EXPECT_TRUE(result.emplace(row.variant, row).second) << row.variant << " twice";
    return result;
  }
  uint64_t steps_ = 0;
};

verify::Verdict verdict(Status status, const std::string& message) {
  verify::Verdict result;
  result.status = status;
  result.message = message;
  result.max_error = 0.5;
  return result;
}

TEST_F(Tune, EveryOutcomeIsARowWithItsReason) {
  toy_.a = {0, 1, 2, 9};
  toy_.b = {0, 1, 9};
  script_.refused = {"toy/only.a0.b1"};
  script_.spilling = {"toy/only.a1.b0"};
  script_.verdicts = {{"toy/only.a1.b1", verdict(Status::Wrong, "c[3,5] is 7, expected 8")},
                      {"toy/only.a2.b0", verdict(Status::LaunchFailed, "an illegal address")},
                      {"toy/only.a2.b1", verdict(Status::Timeout, "did not end in 10 s")}};
  const Summary summary = run();
  const auto rows = by_variant();
  ASSERT_EQ(rows.size(), 9u) << "a=9 is no point of the space; the other nine are rows";

  const std::map<std::string, std::pair<Outcome, std::string>> expected{
      {"toy/only.a0.b0", {Outcome::Ok, ""}},
      {"toy/only.a0.b1", {Outcome::CompileFailed, "the compiler refused it: source.cu(3): error: no such name"}},
      {"toy/only.a1.b0", {Outcome::CompileFailed, "spills registers to local memory"}},
      {"toy/only.a1.b1", {Outcome::Wrong, "c[3,5] is 7, expected 8"}},
      {"toy/only.a2.b0", {Outcome::LaunchFailed, "an illegal address"}},
      {"toy/only.a2.b1", {Outcome::Timeout, "did not end in 10 s"}},
      {"toy/only.a0.b9", {Outcome::Illegal, "b is too wide for this device"}},
      {"toy/only.a1.b9", {Outcome::Illegal, "b is too wide for this device"}},
      {"toy/only.a2.b9", {Outcome::Illegal, "b is too wide for this device"}}};
  for (const auto& [variant, what] : expected) {
    ASSERT_TRUE(rows.contains(variant)) << variant;
    EXPECT_EQ(rows.at(variant).outcome, what.first) << variant;
    EXPECT_EQ(rows.at(variant).reason, what.second) << variant;
  }
  EXPECT_EQ(summary.outcomes, (std::map<Outcome, uint64_t>{{Outcome::Ok, 1},
                                                           {Outcome::Illegal, 3},
                                                           {Outcome::CompileFailed, 2},
                                                           {Outcome::LaunchFailed, 1},
                                                           {Outcome::Wrong, 1},
                                                           {Outcome::Timeout, 1}}));
  EXPECT_EQ(summary.variants, 1u);
  EXPECT_EQ(summary.known, 0u);
  EXPECT_FALSE(summary.stopped);
}

TEST_F(Tune, OnlyWhatIsProvenIsTimedAndOnlyWhatCompilesIsProven) {
  toy_.b = {0, 1, 9};
  script_.refused = {"toy/only.a0.b1"};
  script_.spilling = {"toy/only.a1.b0"};
  script_.verdicts = {{"toy/only.a1.b1", verdict(Status::Wrong, "wrong")},
                      {"toy/only.a2.b0", verdict(Status::Timeout, "deadlock")}};
  run();
  for (const std::string variant : {"a0.b9", "a1.b9", "a2.b9"})
    EXPECT_EQ(script_.count("compile toy/only." + variant), 0u) << variant;
  for (const std::string variant : {"a0.b1", "a1.b0"})
    EXPECT_EQ(script_.count("prove toy/only." + variant), 0u) << variant;
  for (const std::string variant : {"a0.b1", "a1.b0", "a1.b1", "a2.b0"})
    EXPECT_EQ(script_.count("time toy/only." + variant), 0u) << variant;
  for (const std::string variant : {"a0.b0", "a2.b1"})
    EXPECT_EQ(script_.count("time toy/only." + variant), 1u) << variant;
  for (const auto& [variant, row] : by_variant()) {
    EXPECT_EQ(row.median_us.has_value(), row.outcome == Outcome::Ok) << variant;
    EXPECT_EQ(row.source, row.outcome == Outcome::Ok ? store::Source::Predicted : store::Source::None) << variant;
  }
}

TEST_F(Tune, AVariantThatTakesTheGpuWithItIsOnRecordAndNotMetAgain) {
  // As on an attached GPU: one at a time; after the culprit's verdict every proof throws.
  script_.proof_batch = 1;
  script_.verdicts = {{"toy/only.a1.b0", verdict(Status::LaunchFailed, "illegal address")}};
  bool lost = false;
  script_.after = [&](const std::string& event) {
    if (lost) fail("the GPU's context is lost");
    lost = event == "prove toy/only.a1.b0";
  };
  EXPECT_THROW(run(), Error);
  const auto before = by_variant();
  ASSERT_TRUE(before.contains("toy/only.a1.b0"));
  EXPECT_EQ(before.at("toy/only.a1.b0").outcome, Outcome::LaunchFailed);
  for (const auto& [variant, row] : before) EXPECT_NE(row.reason, "the GPU's context is lost") << variant;
  script_.after = nullptr;
  script_.diary.clear();
  run();
  EXPECT_EQ(script_.count("prove toy/only.a1.b0"), 0u);
  EXPECT_GT(by_variant().size(), before.size());
}

TEST_F(Tune, ARowCarriesItsEvidence) {
  script_.times_us = {{"toy/only.a1.b1", 12.5}};
  run();
  const Candidate row = by_variant().at("toy/only.a1.b1");
  EXPECT_EQ(row.family, "toy/only");
  EXPECT_EQ(row.problem, "toy i8 n=64");
  EXPECT_EQ(row.layout, "odd");
  EXPECT_EQ(row.point, R"({"a":1,"b":1})");
  EXPECT_DOUBLE_EQ(row.median_us.value(), 12.5);
  EXPECT_EQ(row.details, R"({"limiter":"dram"})");
  EXPECT_EQ(row.verified_on, "emulator");
  EXPECT_EQ(row.verify_problem, "toy i8 n=8");
  EXPECT_EQ(row.seed, 77u);
  EXPECT_GT(row.speed_of_light_us, 0);
  ASSERT_EQ(row.kernels.size(), 1u);
  EXPECT_EQ(row.kernels[0].digest, "key of toy/only.a1.b1");
  EXPECT_EQ(row.kernels[0].registers, 40);
  EXPECT_EQ(row.kernels[0].ctas, 7);
  EXPECT_EQ(row.kernels[0].threads, 96);
  EXPECT_EQ(row.kernels[0].dynamic_shared_bytes, 512);
}

TEST_F(Tune, AClockWithoutATimeIsAFailureWithItsReason) {
  script_.untimed = {"toy/only.a0.b0"};
  run();
  const Candidate row = by_variant().at("toy/only.a0.b0");
  EXPECT_EQ(row.outcome, Outcome::LaunchFailed);
  EXPECT_EQ(row.reason, "no CTA fits on an SM");
  EXPECT_FALSE(row.median_us.has_value());
}

TEST_F(Tune, ASecondRunAsksNothingAgain) {
  script_.refused = {"toy/only.a0.b1"};
  run();
  script_.diary.clear();
  const Summary again = run();
  EXPECT_EQ(script_.diary, Diary{});
  EXPECT_EQ(again.known, 6u);
  EXPECT_TRUE(again.outcomes.empty());
  EXPECT_EQ(rows().size(), 6u);
}

/// Rows without what differs from run to run.
std::vector<Candidate> comparable(std::vector<Candidate> rows) {
  for (Candidate& row : rows) row.created_at.clear();
  std::ranges::sort(rows, {}, [](const Candidate& row) { return row.problem + row.variant; });
  return rows;
}

TEST_F(Tune, StoppedAnywhereTwoRunsMakeOneWholeRun) {
  job_ = toy_job({"toy i8 n=64", "toy i4 n=32"});
  toy_.b = {0, 1, 9};
  toy_.published_point = Point{{"a", 5}, {"b", 0}};
  script_.verdicts = {{"toy/only.a1.b1", verdict(Status::Wrong, "wrong")}};
  run();
  const auto whole = comparable(rows());
  ASSERT_EQ(whole.size(), 2 * (9u + 1u));
  const Diary events = script_.diary;

  for (const std::string kind : {"compile", "prove", "time"}) {
    const auto total =
        static_cast<size_t>(std::ranges::count_if(events, [&](const auto& e) { return e.starts_with(kind); }));
    for (size_t moment = 1; moment <= total; ++moment) {
      SCOPED_TRACE(fmt::format("stopped at {} {}", kind, moment));
      std::filesystem::remove(folder_ / "tune.db");
      const Summary first = run_until(kind, moment);
      EXPECT_TRUE(first.stopped);
      const auto kept = comparable(rows());
      uint64_t recorded = 0;
      for (const auto& [outcome, count] : first.outcomes) recorded += count;
      EXPECT_EQ(kept.size(), recorded) << "what was recorded is there";
      for (const Candidate& row : kept)
        EXPECT_TRUE(std::ranges::find(whole, row) != whole.end()) << row.variant << " is half a row";

      const Summary second = run();
      EXPECT_FALSE(second.stopped);
      EXPECT_EQ(second.known, kept.size());
      EXPECT_EQ(comparable(rows()), whole);
    }
  }
}

TEST_F(Tune, AStopBetweenCandidatesTimesNoMore) {
  const Summary summary = run_until("time", 2);
  EXPECT_TRUE(summary.stopped);
  EXPECT_EQ(rows().size(), 2u) << "the one that was being timed is recorded too";
  EXPECT_EQ(std::ranges::count_if(script_.diary, [](const auto& e) { return e.starts_with("time"); }), 2);
}

TEST_F(Tune, ThePublishedPointIsAskedFirstAndFlagged) {
  toy_.published_point = Point{{"a", 5}, {"b", 1}};  // outside the space
  run();
  const auto rows = by_variant();
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_EQ(script_.diary.front(), "compile toy/only.a5.b1");
  for (const auto& [variant, row] : rows) EXPECT_EQ(row.published, variant == "toy/only.a5.b1") << variant;
}

TEST_F(Tune, APublishedPointInsideTheSpaceIsOneCandidate) {
  toy_.published_point = Point{{"a", 1}, {"b", 1}};
  const Summary summary = run();
  EXPECT_EQ(script_.count("compile toy/only.a1.b1"), 1u);
  EXPECT_EQ(summary.known, 0u) << "nothing was in the database before";
  const auto rows = by_variant();
  ASSERT_EQ(rows.size(), 6u);
  for (const auto& [variant, row] : rows) EXPECT_EQ(row.published, variant == "toy/only.a1.b1") << variant;
  EXPECT_EQ(run().known, 6u);
}

TEST_F(Tune, APublishedPointThatIsNoKernelDoesNotHideTheSpace) {
  toy_.published_point = Point{{"a", 9}, {"b", 0}};
  run();
  EXPECT_EQ(rows().size(), 6u);
}

TEST_F(Tune, EveryFamilyThatSolvesTheProblemIsAsked) {
  ToyFamily& other = add_family();
  other.own_name = "toy/other";
  other.a = {0};
  run();
  EXPECT_EQ(rows().size(), 6u + 2u);
  EXPECT_TRUE(by_variant().contains("toy/other.a0.b1"));
}

TEST_F(Tune, RowsOfAnotherEnvironmentAreNotFinished) {
  run({}, {"sim:h200"});
  const Summary other = run({}, {"sim:a100-80"});
  EXPECT_EQ(other.known, 0u);
  EXPECT_EQ(rows().size(), 12u);

  // The same target with other kernels: the digest is all that differs.
  {
    store::Store store = open();
    auto environment =
        environment_of(resolve_targets({"sim:l40s"}).front(), "scripted 1", {{"kernels/x.cuh", "older"}});
    const int64_t id = store.environment(environment);
    Candidate row = store::testing::candidate(0, "toy i8 n=64");
    row.variant = "toy/only.a0.b0";
    store.record(id, row);
  }
  EXPECT_EQ(run({}, {"sim:l40s"}).known, 0u);
}

TEST_F(Tune, SeveralTargetsEachGetEveryCandidate) {
  const Summary summary = run({}, {"sim:h200", "sim:l40s", "sim:a100-80"});
  EXPECT_EQ(rows().size(), 18u);
  EXPECT_EQ(summary.variants, 6u) << "distinct ones";
  EXPECT_EQ(open(store::Mode::ReadOnly).environments().size(), 3u);
}

TEST_F(Tune, ABudgetLimitsWhatTheStrategyAsks) {
  settings_.budget = 2;
  toy_.published_point = Point{{"a", 5}, {"b", 0}};
  run();
  EXPECT_EQ(rows().size(), 3u) << "the published point is asked besides";
}

TEST_F(Tune, TheSeedOrdersARandomSearch) {
  settings_ = {"random", 3, 1};
  toy_.a = {0, 1, 2, 3, 4, 5, 6, 7};
  run();
  const auto first = by_variant();
  std::filesystem::remove(folder_ / "tune.db");
  run();
  EXPECT_EQ(comparable(rows()).size(), 3u);
  for (const auto& [variant, row] : by_variant()) EXPECT_TRUE(first.contains(variant)) << variant;
  settings_.seed = 2;
  run();
  EXPECT_GT(rows().size(), 3u) << "another seed draws others";
}

TEST_F(Tune, TheJobAndItsProblemsAreInTheDatabase) {
  job_.text = "name: toy";
  job_.work[0].weight = 4;
  job_.work[0].origins = {"Toy qkv tp=1", "Toy o tp=1"};
  run();
  const store::Store store = open(store::Mode::ReadOnly);
  const auto job = store.job("toy");
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->text, "name: toy");
  ASSERT_EQ(job->items.size(), 1u);
  EXPECT_EQ(job->items[0], (store::JobItem{"toy i8 n=64", "Toy qkv tp=1, Toy o tp=1", 4}));
  const auto problem = store.problem("toy i8 n=64");
  ASSERT_TRUE(problem.has_value());
  EXPECT_EQ(*problem, (store::ProblemRow{"toy i8 n=64", "toy", "i8", "n=64", 2e9, "int8", 1e6, 1e6}));
  EXPECT_NE(store.environments().at(0).gpu.ceilings.find("\"memory\""), std::string::npos);
}

TEST_F(Tune, ExpectedCandidatesIsWhatIsAsked) {
  job_ = toy_job({"toy i8 n=64", "toy i4 n=32"});
  toy_.a = {0, 1, 9};
  toy_.b = {0, 1, 9};
  const auto expect_exact = [&](const char* what) {
    SCOPED_TRACE(what);
    std::filesystem::remove(folder_ / "tune.db");
    const uint64_t expected = expected_candidates(job_, 2, settings_, families_);
    run({}, {"sim:h200", "sim:l40s"});
    EXPECT_EQ(rows().size(), expected);
    EXPECT_EQ(steps_, expected);
    run({}, {"sim:h200", "sim:l40s"});
    EXPECT_EQ(steps_, expected) << "and so in a run that knows them all";
  };
  expect_exact("nothing published");
  toy_.published_point = Point{{"a", 5}, {"b", 0}};
  expect_exact("published outside the space");
  toy_.published_point = Point{{"a", 1}, {"b", 1}};
  expect_exact("published inside the space");
  toy_.published_point = Point{{"a", 9}, {"b", 1}};
  expect_exact("published, but no kernel");
  toy_.published_point.reset();
  settings_.budget = 4;
  expect_exact("a budget");
  settings_.budget = 1000;
  expect_exact("a budget beyond the space");
}

TEST_F(Tune, ASpaceTooLargeToCountIsNotCounted) {
  toy_.a.resize(1000);
  toy_.b.resize(1000);
  EXPECT_EQ(expected_candidates(job_, 1, settings_, families_), 0u);
  settings_.budget = 50;
  EXPECT_EQ(expected_candidates(job_, 1, settings_, families_), 50u);
}

}  // namespace
}  // namespace qoq::tune
