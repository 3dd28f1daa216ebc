#include "autotune/store/store.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <thread>

#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

using testing::candidate;
using testing::fault_of;
using testing::Folder;
using testing::kProblem;
using testing::open_with_problem;
using testing::simulated;

Candidate without_date(Candidate row) {
  row.created_at.clear();
  return row;
}

Candidate failed(int i, Outcome outcome, const std::string& reason) {
  Candidate row = candidate(i);
  row.outcome = outcome;
  row.reason = reason;
  row.source = Source::None;
  row.median_us.reset();
  row.noise.reset();
  row.samples_us.clear();
  row.verified_on.clear();
  row.kernels.clear();
  return row;
}

TEST(Store, ReturnsEveryFieldOfARow) {
  Folder folder;
  Candidate written = candidate(7);
  written.ablated = true;
  written.published = true;
  written.baseline = true;
  written.reason = "said 'aloud'; \"twice\" … ü";
  Environment environment = simulated();
  environment.mig = "1g.18gb";
  environment.cupti = "13.0.85";
  {
    Store store = open_with_problem(folder / "tune.db");
    store.record(store.environment(environment), written);
  }
  const Store store = Store::open(folder / "tune.db", Mode::ReadOnly);
  const auto rows = store.candidates({});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].created_at.size(), std::string("2025-11-23T09:14:02.123Z").size());
  EXPECT_TRUE(without_date(rows[0]) == written);
  ASSERT_EQ(store.problems().size(), 1u);
  EXPECT_TRUE(store.problems()[0] == testing::gemm_row());
  EXPECT_TRUE(store.problem(kProblem) == testing::gemm_row());
  EXPECT_FALSE(store.problem("gemm w8a8 m=1 n=1 k=1"));
  ASSERT_EQ(store.environments().size(), 1u);
  EXPECT_TRUE(store.environments()[0].environment == environment);
}

TEST(Store, KeepsSamplesAndNumbersToTheLastBit) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  Candidate row = candidate(0);
  row.samples_us = {0.1, 1.0 / 3.0, 1e-300, 123456789.123456789, std::nextafter(14.0, 15.0)};
  row.max_error = std::numeric_limits<double>::infinity();
  row.seed = ~uint64_t{0};
  store.record(store.environment(simulated()), row);
  const Candidate read = store.candidates({}).at(0);
  EXPECT_EQ(read.samples_us, row.samples_us);
  EXPECT_EQ(read.max_error, row.max_error);
  EXPECT_EQ(read.seed, row.seed);
  row.max_error = std::nan("");
  store.record(1, row);
  EXPECT_TRUE(std::isnan(store.candidates({}).at(0).max_error));
}

TEST(Store, CountsOnlyRowsOfTheSameEnvironmentAndProblemAsFinished) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const std::string other = "gemm w4a8-g128 m=65 n=4096 k=4096";
  store.put_problem(testing::gemm_row(other));
  const int64_t here = store.environment(simulated());
  store.record(here, candidate(1));
  store.record(here, failed(2, Outcome::Illegal, "too large"));
  Candidate ablation = candidate(3);
  ablation.ablated = true;
  store.record(here, ablation);
  EXPECT_EQ(store.finished(here, kProblem),
            (std::unordered_set<std::string>{candidate(1).variant, candidate(2).variant,
                                             finished_key(candidate(3).variant, true)}));
  EXPECT_TRUE(store.finished(here, other).empty());
  EXPECT_TRUE(store.finished(here, "gemm never heard of").empty());
  EXPECT_EQ(store.environment(simulated()), here) << "the same environment must be found again";

  // Each single field makes another environment.
  const std::vector<void (*)(Environment&)> changes = {
      [](Environment& e) { e.target = "sim:h100"; },   [](Environment& e) { e.product += "!"; },
      [](Environment& e) { e.uuid = "GPU-1"; },        [](Environment& e) { e.architecture = "sm_90"; },
      [](Environment& e) { e.sm_count = 131; },        [](Environment& e) { e.power_cap_w = 699.5; },
      [](Environment& e) { e.driver = "580.65"; },     [](Environment& e) { e.compiler = "NVRTC 13.1"; },
      [](Environment& e) { e.kernels = "k2"; },        [](Environment& e) { e.cache_mode = "hot"; },
      [](Environment& e) { e.launch_mode = "graph"; }, [](Environment& e) { e.predictor = "model 2"; },
      [](Environment& e) { e.mig = "1g.18gb"; },       [](Environment& e) { e.cupti = "1g.18gb"; },
  };
  std::set<int64_t> ids = {here};
  for (const auto change : changes) {
    Environment environment = simulated();
    change(environment);
    const int64_t id = store.environment(environment);
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_TRUE(store.finished(id, kProblem).empty());
  }
  EXPECT_EQ(store.environments().size(), changes.size() + 1);
}

TEST(Store, ReplacesACandidateRecordedAgainAndItsLaunches) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  store.record(here, candidate(1));
  Candidate again = candidate(1);
  again.median_us = 3.0;
  again.kernels.pop_back();
  again.kernels[0].registers = 255;
  store.record(here, again);
  const auto rows = store.candidates({});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(without_date(rows[0]) == again);
}

TEST(Store, RecordsManyAtOnceOrNone) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  std::vector<Candidate> rows;
  for (int i = 0; i < 10; ++i) rows.push_back(candidate(i));
  rows[9].problem = "gemm w4a8-g128 m=1 n=1 k=1";
  EXPECT_NE(fault_of([&] { store.record(here, rows); }).find("is not in the database"), std::string::npos);
  EXPECT_TRUE(store.candidates({}).empty());
  rows[9].problem = kProblem;
  store.record(here, rows);
  EXPECT_EQ(store.candidates({}).size(), 10u);
  EXPECT_NE(fault_of([&] { store.record(here + 1, candidate(11)); }).find("FOREIGN KEY"), std::string::npos);
}

TEST(Store, RefusesRowsThatContradictThemselves) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  const std::vector<std::pair<const char*, void (*)(Candidate&)>> contradictions = {
      {"without a reason",
       [](Candidate& c) {
         c.outcome = Outcome::Wrong;
         c.median_us.reset();
       }},
      {"did not end ok",
       [](Candidate& c) {
         c.outcome = Outcome::Timeout;
         c.reason = "slow";
       }},
      {"emulated runs have no times", [](Candidate& c) { c.source = Source::Emulated; }},
      {"emulated runs have no times",
       [](Candidate& c) {
         c.source = Source::Emulated;
         c.median_us.reset();
       }},
      {"its time has no source", [](Candidate& c) { c.source = Source::None; }},
      {"not a positive number", [](Candidate& c) { c.median_us = 0; }},
      {"not a positive number", [](Candidate& c) { c.median_us = std::nan(""); }},
      {"a sample is not a number", [](Candidate& c) { c.samples_us[1] = std::nan(""); }},
      {"no variant", [](Candidate& c) { c.variant.clear(); }},
      {"json_valid", [](Candidate& c) { c.details = "{"; }},
  };
  for (const auto& [expected, contradict] : contradictions) {
    Candidate row = candidate(1);
    contradict(row);
    EXPECT_NE(fault_of([&] { store.record(here, row); }).find(expected), std::string::npos) << expected;
  }
  EXPECT_TRUE(store.candidates({}).empty());
  store.record(here, candidate(1));  // and it still records
  EXPECT_EQ(store.candidates({}).size(), 1u);
}

TEST(Store, FiltersOrdersAndLimits) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const std::string other = "gemm w4a8-g128 m=65 n=4096 k=4096";
  store.put_problem(testing::gemm_row(other));
  const int64_t here = store.environment(simulated()), there = store.environment(simulated("sim:a100"));
  store.record(here, failed(9, Outcome::Wrong, "c[0] is 1, expected 2"));
  for (const int i : {5, 3, 4}) store.record(here, candidate(i));
  store.record(here, candidate(1, other));
  store.record(there, candidate(0));

  const auto fastest = store.candidates({.environment = here, .problem = kProblem, .by_time = true});
  ASSERT_EQ(fastest.size(), 4u);
  EXPECT_EQ(fastest[0].variant, candidate(3).variant);
  EXPECT_EQ(fastest[2].variant, candidate(5).variant);
  EXPECT_EQ(fastest[3].outcome, Outcome::Wrong) << "rows without a time come last";
  EXPECT_EQ(store.candidates({.environment = here, .problem = kProblem, .limit = 2}).size(), 2u);
  EXPECT_EQ(store.candidates({.environment = here, .problem = kProblem, .timed = true}).size(), 3u);
  EXPECT_EQ(store.candidates({.outcome = Outcome::Wrong}).size(), 1u);
  EXPECT_EQ(store.candidates({.ablated = true}).size(), 0u);
  EXPECT_EQ(store.candidates({.baseline = true}).size(), 0u);
  EXPECT_EQ(store.candidates({.baseline = false}).size(), 6u);
  const auto lean = store.candidates({.environment = there, .samples = false, .kernels = false});
  ASSERT_EQ(lean.size(), 1u);
  EXPECT_TRUE(lean[0].samples_us.empty());
  EXPECT_TRUE(lean[0].kernels.empty());
  EXPECT_EQ(store.tuned_problems(here), (std::vector<std::string>{kProblem, other}));
  EXPECT_EQ(store.tuned_problems(there), (std::vector<std::string>{kProblem}));
}

TEST(Store, BestIsTheFastestUsableRowAndMeasuredComesBeforePredicted) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  Candidate unverified = candidate(0), ablated = candidate(1), usable = candidate(5), slower = candidate(6);
  unverified.verified_on.clear();
  ablated.ablated = true;
  for (const Candidate& row : {slower, unverified, ablated, usable}) store.record(here, row);
  ASSERT_EQ(store.best(here).size(), 1u);
  EXPECT_EQ(store.best(here)[0].variant, usable.variant);
  slower.source = Source::Measured;
  store.record(here, slower);
  EXPECT_EQ(store.best(here)[0].variant, slower.variant);
}

TEST(Store, ABaselineIsKeptButNeverAProblemsBest) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  Candidate baseline = candidate(0), usable = candidate(5);
  baseline.baseline = true;
  baseline.source = Source::Measured;
  store.record(here, baseline);
  EXPECT_TRUE(store.best(here).empty());
  EXPECT_TRUE(store.tuned_problems(here).empty()) << "nothing of ours was tuned";
  store.record(here, usable);
  ASSERT_EQ(store.best(here).size(), 1u);
  EXPECT_EQ(store.best(here)[0].variant, usable.variant);
  EXPECT_EQ(store.tuned_problems(here).size(), 1u);
  ASSERT_EQ(store.candidates({.baseline = true}).size(), 1u);
  EXPECT_TRUE(without_date(store.candidates({.baseline = true})[0]) == baseline);
  EXPECT_EQ(store.candidates({.baseline = false}).size(), 1u);
  EXPECT_EQ(store.finished(here, kProblem).size(), 2u) << "it need not be measured twice";
  const auto counts = store.counts(here);
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_FALSE(counts[0].baseline);
  EXPECT_TRUE(counts[1].baseline);
}

TEST(Store, ForgetsTheBaselinesOfOneProblemInOneEnvironment) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const std::string other = "gemm w4a8-g128 m=65 n=4096 k=4096";
  store.put_problem(testing::gemm_row(other));
  const int64_t here = store.environment(simulated()), there = store.environment(simulated("sim:a100"));
  Candidate baseline = candidate(0), missing = failed(1, Outcome::Illegal, "missing: no such library"),
            elsewhere = candidate(0, other);
  for (Candidate* row : {&baseline, &missing, &elsewhere}) row->baseline = true;
  store.record(here, std::vector{baseline, missing, elsewhere, candidate(5)});
  store.record(there, baseline);
  store.forget_baselines(here, kProblem);
  EXPECT_EQ(store.finished(here, kProblem), (std::unordered_set<std::string>{candidate(5).variant}));
  EXPECT_EQ(store.candidates({.baseline = true}).size(), 2u) << "another problem's and another environment's stay";
  store.forget_baselines(here, "gemm never heard of");
  store.record(here, baseline);
  EXPECT_TRUE(without_date(store.candidates({.environment = here, .problem = kProblem, .baseline = true}).at(0)) ==
              baseline);
  Store reader = Store::open(folder / "tune.db", Mode::ReadOnly);
  EXPECT_NE(fault_of([&] { reader.forget_baselines(here, kProblem); }).find("reading only"), std::string::npos);
}

TEST(Store, AddsDetailsToACandidateWithoutTouchingTheRest) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  Candidate written = candidate(1), ablation = candidate(1);
  written.details = R"({"a":0.1,"nested":{"x":1,"y":2}})";
  ablation.ablated = true;
  store.record(here, written);
  store.record(here, ablation);
  store.add_details(here, kProblem, written.variant, false, R"({"counters":{"dram_bytes":5},"nested":{"z":3}})");
  store.add_details(here, kProblem, written.variant, false, R"({"missing":null})");
  const auto rows = store.candidates({.ablated = false});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].details, R"({"a":0.1,"counters":{"dram_bytes":5},"missing":null,"nested":{"z":3}})");
  written.details = rows[0].details;
  EXPECT_TRUE(without_date(rows[0]) == written) << "nothing else may change";
  EXPECT_EQ(store.candidates({.ablated = true}).at(0).details, ablation.details);

  const auto fault = [&](std::string_view variant, std::string_view object) {
    return fault_of([&] { store.add_details(here, kProblem, variant, false, object); });
  };
  EXPECT_NE(fault("mma.never", "{}").find("has no candidate mma.never of"), std::string::npos);
  EXPECT_NE(fault(written.variant, "[1]").find("not a json object"), std::string::npos);
  EXPECT_NE(fault(written.variant, "{").find("not a json object"), std::string::npos);
  EXPECT_EQ(store.candidates({.ablated = false}).at(0).details, written.details);
}

TEST(Store, CountsFailuresByReason) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  for (int i = 0; i < 3; ++i) store.record(here, failed(i, Outcome::Illegal, "too much shared memory"));
  store.record(here, failed(3, Outcome::Wrong, "too much shared memory"));
  store.record(here, candidate(4));
  const auto failures = store.failures(here);
  ASSERT_EQ(failures.size(), 2u);
  EXPECT_EQ(failures[0].outcome, Outcome::Illegal);
  EXPECT_EQ(failures[0].count, 3);
  EXPECT_EQ(failures[0].example_variant, candidate(0).variant);
  EXPECT_EQ(failures[0].example_problem, kProblem);
  EXPECT_EQ(failures[1].count, 1);
  const auto counts = store.counts(here);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}, [](int64_t n, auto& c) { return n + c.count; }),
            5);
}

TEST(Store, KeepsJobsAndGpus) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const std::string other = "gemm w4a8-g128 m=65 n=4096 k=4096";
  store.put_problem(testing::gemm_row(other));
  store.put_job(
      {"llama", "model: llama", {{kProblem, "o tp=1", 2.5}, {other, "o tp=1", 1}, {kProblem, "o tp=2", 1}}, ""});
  store.put_job({"qwen", "model: qwen", {{kProblem, "o", 1}}, ""});
  const JobRow replaced = {"llama", "model: llama # again", {{other, "o", 3}, {kProblem, "q", 4}}, ""};
  store.put_job(replaced);
  ASSERT_EQ(store.jobs().size(), 2u);
  const auto job = store.job("llama");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->text, replaced.text);
  EXPECT_TRUE(job->items == replaced.items);
  EXPECT_FALSE(store.job("phi"));
  EXPECT_NE(fault_of([&] {
              store.put_job({"bad", "", {{"gemm x m=1", "", 1}}, ""});
            }).find("not in the database"),
            std::string::npos);
  EXPECT_FALSE(store.job("bad")) << "a job is there whole or not at all";

  const int64_t here = store.environment(simulated());
  const GpuRow gpu{"NVIDIA H200", R"({"dram_gb_s":4800})"};
  store.put_gpu(here, gpu);
  EXPECT_TRUE(store.environments()[0].gpu == gpu);
  EXPECT_NE(fault_of([&] { store.put_gpu(99, gpu); }).find("no environment 99"), std::string::npos);
}

TEST(Store, FindsTheEnvironmentOfATargetThatWasUsedLast) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  Environment older = simulated(), newer = simulated();
  newer.compiler = "NVRTC 13.1";
  const int64_t first = store.environment(older), second = store.environment(newer);
  EXPECT_EQ(store.latest_environment("sim:h200")->id, second);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  store.environment(older);
  EXPECT_EQ(store.latest_environment("sim:h200")->id, first);
  EXPECT_FALSE(store.latest_environment("sim:b200"));
}

TEST(Words, GoToTextAndBack) {
  for (const Outcome outcome : {Outcome::Ok, Outcome::Illegal, Outcome::CompileFailed, Outcome::LaunchFailed,
                                Outcome::Wrong, Outcome::Timeout}) {
    EXPECT_EQ(outcome_from_text(to_text(outcome)), outcome);
  }
  for (const Source source : {Source::None, Source::Measured, Source::Predicted, Source::Emulated}) {
    EXPECT_EQ(source_from_text(to_text(source)), source);
  }
  EXPECT_EQ(fault_of([] { outcome_from_text("fine"); }), "Input: \"fine\" is not an outcome");
}

}  // namespace
}  // namespace qoq::store
