// predict-then-measure inside the line: what is compiled, what is asked, what is refused.
#include "autotune/tune/predictor.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "kernels/base/error.h"
#include "tests/autotune/tune/fakes.h"

namespace qoq::tune {
namespace {

using namespace testing;
using store::testing::fault_of;

/// A family of 40 points a = 100 … 139 that takes a µs each, none of which is published.
struct Bench {
  store::testing::Folder folder;
  job::Families families;
  Script script;
  search::Settings settings{"predict-then-measure", {}, 1};

  Bench() {
    auto family = std::make_unique<ToyFamily>();
    family->a.clear();
    family->b = {0};
    for (int a = 100; a < 140; ++a) {
      family->a.push_back(a);
      script.times_us[fmt::format("toy/only.a{}.b0", a)] = a;
    }
    families.push_back(std::move(family));
  }
  ToyFamily& family() { return static_cast<ToyFamily&>(*families[0]); }

  Summary run(std::vector<Workshop>& shops) {
    store::Store store = store::Store::open(folder / "tune.db", store::Mode::ReadWrite);
    Progress progress(0, true);
    return tune(toy_job({"toy i8 n=64"}), shops, store, settings, progress, {}, families);
  }
  Summary run() {
    auto shops = workshops(script);
    return run(shops);
  }
  std::set<int> recorded() {
    std::set<int> values;
    const store::Store store = store::Store::open(folder / "tune.db", store::Mode::ReadOnly);
    for (const auto& row : store.candidates({})) values.insert(std::stoi(row.variant.substr(10)));
    return values;
  }
};

TEST(Predictor, OnASimulatedTargetMeasuringIsPredicting) {
  Bench bench;
  ::testing::internal::CaptureStderr();
  bench.run();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "sim:h200: on a simulated GPU measuring is predicting: predict-then-measure records what the model ranks "
            "first\n");
  std::set<int> expected;
  for (int a = 100; a < 116; ++a) expected.insert(a);
  EXPECT_EQ(bench.recorded(), expected) << "the sixteen best predictions, and no more";
  for (int a = 100; a < 140; ++a)
    EXPECT_EQ(bench.script.count(fmt::format("time toy/only.a{}.b0", a)), a < 116 ? 2u : 1u) << a;
  EXPECT_EQ(bench.script.count("prove toy/only.a120.b0"), 0u) << "what is only predicted is not proven";
}

TEST(Predictor, WhatCannotBePredictedIsNotAskedAndNoFault) {
  Bench bench;
  bench.script.refused = {"toy/only.a100.b0"};
  bench.script.spilling = {"toy/only.a101.b0"};
  bench.script.untimed = {"toy/only.a102.b0"};
  bench.family().b = {0, 9};  // 9 does not fit the device
  bench.run();
  EXPECT_EQ(bench.recorded().size(), 16u);
  EXPECT_EQ(*bench.recorded().begin(), 103);
}

TEST(Predictor, WhereEveryPointFailsEachIsRecorded) {
  Bench bench;
  for (int a = 100; a < 140; ++a) bench.script.refused.insert(fmt::format("toy/only.a{}.b0", a));
  const Summary summary = bench.run();
  EXPECT_EQ(summary.outcomes.at(store::Outcome::CompileFailed), 40u);
}

TEST(Predictor, AnAttachedGpuWithoutASheetIsRefusedBeforeAnythingRuns) {
  Bench bench;
  auto shops = workshops(bench.script, {"sim:h200", "sim:a100-80"});
  shops[1].target.name = "cuda:0";
  shops[1].target.attached.emplace();
  shops[1].target.device.name = "NVIDIA GT 710";
  shops[1].target.sheet.reset();
  EXPECT_EQ(fault_of([&] { bench.run(shops); }),
            "Input: cuda:0: there is no sheet of NVIDIA GT 710, so predict-then-measure cannot predict for it; another "
            "strategy needs none");
  EXPECT_TRUE(bench.script.diary.empty());
  bench.settings.strategy = "random";
  Progress progress(0, true);
  EXPECT_EQ(fault_of([&] { check_predictions(bench.settings, shops, progress); }), "");
}

TEST(Predictor, AStopEndsThePredicting) {
  Bench bench;
  std::stop_source stop;
  bench.script.after = [&](const std::string& event) {
    if (event == "compile toy/only.a110.b0") stop.request_stop();
  };
  auto shops = workshops(bench.script);
  Progress progress(0, true);
  store::Store store = store::Store::open(bench.folder / "tune.db", store::Mode::ReadWrite);
  tune(toy_job({"toy i8 n=64"}), shops, store, bench.settings, progress, stop.get_token(), bench.families);
  EXPECT_TRUE(store.candidates({}).empty()) << "no candidate was tried";
}

TEST(Predictor, HalfOfTheTimeIsLeftToMeasure) {
  Bench bench;
  bench.family().b = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18};  // 400 points of 20 ms: eight seconds to predict
  std::set<std::string> predicted;
  bench.script.after = [&](const std::string& event) {
    if (event.starts_with("prove ")) return;
    if (event.starts_with("compile ")) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (event.starts_with("time ")) predicted.insert(event);
  };
  bench.settings.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  bench.run();
  EXPECT_LT(predicted.size(), 100u) << "half a second of compiling, and no more";
  EXPECT_GE(bench.recorded().size(), 1u);
}

TEST(Predictor, ShortlyBeforeTheDeadlineEachIsRecordedAsSoonAsItIsProven) {
  const auto recorded_of_stopped = [](std::chrono::minutes left) {
    Bench bench;
    bench.script.short_batch = 2;
    std::stop_source stop;
    size_t proven = 0;
    bench.script.after = [&](const std::string& event) {
      if (event.starts_with("prove ") && ++proven == 7) stop.request_stop();
    };
    bench.settings.deadline = std::chrono::steady_clock::now() + left;
    auto shops = workshops(bench.script);
    Progress progress(0, true);
    store::Store store = store::Store::open(bench.folder / "tune.db", store::Mode::ReadWrite);
    tune(toy_job({"toy i8 n=64"}), shops, store, bench.settings, progress, stop.get_token(), bench.families);
    return store.candidates({}).size();
  };
  EXPECT_EQ(recorded_of_stopped(std::chrono::minutes(60)), 0u) << "a batch that was cut";
  EXPECT_EQ(recorded_of_stopped(std::chrono::minutes(1)), 6u);
}

TEST(Predictor, WithoutADeadlineTheOuterStopAloneCounts) {
  std::stop_source outer;
  const HalfTime half(outer.get_token(), {});
  EXPECT_FALSE(half.token().stop_requested());
  outer.request_stop();
  EXPECT_TRUE(half.token().stop_requested());
}

TEST(Predictor, NobodyKnowsHowManyItWillAskFor) {
  Bench bench;
  EXPECT_EQ(expected_candidates(toy_job({"toy i8 n=64"}), 1, bench.settings, bench.families), 0u);
  bench.settings.strategy = "local";
  EXPECT_EQ(expected_candidates(toy_job({"toy i8 n=64"}), 1, bench.settings, bench.families), 40u);
}

}  // namespace
}  // namespace qoq::tune
