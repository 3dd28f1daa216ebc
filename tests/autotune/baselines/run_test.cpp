// Running other libraries' kernels: what becomes a row, what is absent, and what the worker's protocol carries.
#include "autotune/baselines/run.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace qoq::baselines {
namespace {

using Status = verify::Verdict::Status;

/// What an offer of the made-up library does when it is run.
enum class Habit { Right, Wrong, Fails, Hangs };

struct MadeUp final : Baseline {
  std::string name_ = "made-up/int8", missing_, unsupported_, fails_, op_ = "gemm";
  std::vector<Habit> habits;

  std::string_view name() const override { return name_; }
  std::string_view op() const override { return op_; }
  std::string_view arithmetic() const override { return "int8"; }
  std::string missing() const override { return missing_; }
  std::optional<std::string> unsupported(const Problem&, const Device&) const override {
    if (unsupported_.empty()) return {};
    return unsupported_;
  }
  std::vector<Offer> candidates(const Problem&, const Device&, measure::Cache) const override {
    if (!fails_.empty()) fail("{}", fails_);
    std::vector<Offer> offers;
    for (size_t i = 0; i < habits.size(); ++i) {
      Offer offer;
      offer.id = fmt::format("made-up.int8.c{:02}", i);
      offer.workspace_bytes = 64 + i;
      offer.seed = 5;
      offer.details = R"({"arithmetic":"int8"})";
      offer.runnable.launches = static_cast<size_t>(habits[i]);  // so that the bench knows
      offer.check = [right = habits[i] == Habit::Right] {
        return right ? Check{true, 0.25, ""} : Check{false, 1, "y[0, 0] = 1, reference 2"};
      };
      offers.push_back(std::move(offer));
    }
    return offers;
  }
};

struct MadeUpLane final : measure::Lane {
  void warm_up(double) override {}
  measure::Reading sample() override { return {12.5, 1980, 0}; }
};

/// No GPU: a run is what the offer's habit says. It counts.
struct MadeUpBench final : Bench, measure::Stand {
  std::vector<Habit> coming;
  size_t ran = 0, timed = 0;
  double now = 0;

  void run_once(const std::function<void(const runtime::Stream&)>&) override {
    const Habit habit = coming.at(ran++);
    if (habit == Habit::Fails) fail("it does not start");
    if (habit == Habit::Hangs) throw measure::ContextLost("did not end within 10 s", true);
  }
  std::unique_ptr<measure::Lane> lane(const measure::Runnable&, measure::Modes) override {
    ++timed;
    return std::make_unique<MadeUpLane>();
  }
  measure::Stand& stand() override { return *this; }
  std::unique_ptr<measure::Lane> lane(const measure::Subject&, measure::Modes) override { return nullptr; }
  double now_s() const override { return now; }
  void rest(double seconds) override { now += seconds; }
};

const Problem problem = Problem::parse("gemm w4a8-g128 m=16 n=4096 k=4096");

BaselineRun run(MadeUp baseline, MadeUpBench& bench) {
  bench.coming = baseline.habits;
  std::vector<std::unique_ptr<Baseline>> all;
  all.push_back(std::make_unique<MadeUp>(std::move(baseline)));
  return run_baselines(all, problem, {}, bench, {}, {}, true);
}

TEST(RunBaselines, OnlyRightKernelsAreTimed) {
  MadeUpBench bench;
  MadeUp library;
  library.habits = {Habit::Right, Habit::Wrong, Habit::Fails, Habit::Right};
  const BaselineRun done = run(library, bench);
  ASSERT_EQ(done.rows.size(), 4u);
  EXPECT_EQ(bench.timed, 2u);
  EXPECT_EQ(done.rows[0].id, "made-up.int8.c00");
  EXPECT_EQ(done.rows[0].verdict.status, Status::Ok);
  EXPECT_EQ(done.rows[0].verdict.where, "cuda");
  EXPECT_EQ(done.rows[0].verdict.seed, 5u);
  EXPECT_EQ(done.rows[0].verdict.problem, problem);
  EXPECT_EQ(done.rows[0].verdict.max_error, 0.25);
  EXPECT_EQ(done.rows[0].sample.median_us, 12.5);
  EXPECT_EQ(done.rows[1].verdict.status, Status::Wrong);
  EXPECT_EQ(done.rows[1].verdict.message, "y[0, 0] = 1, reference 2");
  EXPECT_TRUE(done.rows[1].sample.samples_us.empty());
  EXPECT_EQ(done.rows[2].verdict.status, Status::LaunchFailed);
  EXPECT_EQ(done.rows[2].verdict.message, "it does not start");
  EXPECT_EQ(done.rows[3].workspace_bytes, 67u);
  EXPECT_FALSE(done.context_lost);
}

TEST(RunBaselines, ALostContextEndsIt) {
  MadeUpBench bench;
  MadeUp library;
  library.habits = {Habit::Right, Habit::Hangs, Habit::Right};
  const BaselineRun done = run(library, bench);
  ASSERT_EQ(done.rows.size(), 2u);
  EXPECT_EQ(done.rows[1].verdict.status, Status::Timeout);
  EXPECT_TRUE(done.rows[1].verdict.context_lost);
  EXPECT_TRUE(done.context_lost);
}

TEST(RunBaselines, WhatIsNotHereOrCannotSaysWhy) {
  MadeUpBench bench;
  MadeUp gone, unable, empty, broken, other;
  gone.missing_ = "libmadeup.so: no such file";
  unable.unsupported_ = "needs k in multiples of 16";
  broken.fails_ = "allocating 9 bytes: out of memory";
  other.op_ = "attention";
  const auto only = [&](const MadeUp& library) { return run(library, bench); };
  const BaselineRun missing = only(gone);
  ASSERT_EQ(missing.absent.size(), 1u);
  EXPECT_TRUE(missing.absent[0].missing);
  EXPECT_EQ(missing.absent[0].reason, "missing: libmadeup.so: no such file");
  EXPECT_TRUE(missing.rows.empty());
  const BaselineRun unsupported = only(unable);
  ASSERT_EQ(unsupported.absent.size(), 1u);
  EXPECT_FALSE(unsupported.absent[0].missing);
  EXPECT_EQ(unsupported.absent[0].reason, "unsupported: needs k in multiples of 16");
  EXPECT_EQ(only(empty).absent.at(0).reason, "unsupported: made-up/int8 has no algorithm for this problem here");
  const BaselineRun failed = only(broken);
  ASSERT_EQ(failed.rows.size(), 1u);
  EXPECT_EQ(failed.rows[0].id, "made-up/int8");
  EXPECT_EQ(failed.rows[0].verdict.status, Status::LaunchFailed);
  EXPECT_EQ(failed.rows[0].verdict.message, "allocating 9 bytes: out of memory");
  const BaselineRun attention = only(other);
  EXPECT_TRUE(attention.rows.empty() && attention.absent.empty()) << "another operator's library is no news";
}

TEST(RunBaselines, TheProtocolLosesNothing) {
  MadeUpBench bench;
  MadeUp library;
  library.habits = {Habit::Right, Habit::Wrong, Habit::Hangs};
  BaselineRun done = run(library, bench);
  done.absent.push_back({"made-up/fp8", "fp8", true, "missing: \"here\""});
  done.rows[0].sample.samples_us = {0.1, 1.0 / 3, 1e-300};
  done.rows[0].sample.throttled = ~uint64_t{0};
  done.rows[0].sample.settled = true;
  done.rows[1].sample.transient = true;
  const nlohmann::json sent = done;
  const BaselineRun got = nlohmann::json::parse(sent.dump()).get<BaselineRun>();
  EXPECT_EQ(nlohmann::json(got), sent);
  ASSERT_EQ(got.rows.size(), 3u);
  EXPECT_EQ(got.rows[0].sample.samples_us, done.rows[0].sample.samples_us);
  EXPECT_EQ(got.rows[0].sample.throttled, ~uint64_t{0});
  EXPECT_FALSE(got.rows[0].sample.transient);
  EXPECT_TRUE(got.rows[1].sample.transient);
  EXPECT_EQ(got.rows[2].verdict.status, Status::Timeout);
  EXPECT_EQ(got.rows[1].verdict.problem, problem);
  EXPECT_EQ(got.absent.at(0).reason, "missing: \"here\"");
  EXPECT_TRUE(got.context_lost);
}

}  // namespace
}  // namespace qoq::baselines
