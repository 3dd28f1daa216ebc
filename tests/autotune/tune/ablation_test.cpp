// What follows a problem's search: the no-dequant ablation of its best kernels. Everything beside it is scripted.
#include "autotune/tune/ablation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/tune/fakes.h"

namespace qoq::tune {
namespace {

using namespace testing;
using store::Candidate;
using store::Outcome;

/// With b = 1 there is no ablation.
class AblatableFamily final : public ToyFamily {
 public:
  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (point.contains("ablated") && point.at("b") == 1) return "an odd layout has no ablation";
    return ToyFamily::unsupported(point, problem, device);
  }
};

class Ablations : public ::testing::Test {
 protected:
  store::testing::Folder folder_;
  job::Families families_;
  Script script_;
  job::Job job_ = toy_job({"toy i8 n=64"});
  search::Settings settings_;
  bool wanted_ = true;

  Ablations() { families_.push_back(std::make_unique<AblatableFamily>()); }
  store::Store open(store::Mode mode) const { return store::Store::open(folder_ / "tune.db", mode); }
  Summary run(const std::stop_token& stop = {}) {
    store::Store store = open(store::Mode::ReadWrite);
    auto shops = workshops(script_);
    for (Workshop& shop : shops) shop.extras.ablations = wanted_;
    Progress progress(0, true);
    return tune(job_, shops, store, settings_, progress, stop, families_);
  }
  std::vector<Candidate> ablated() const { return open(store::Mode::ReadOnly).candidates({.ablated = true}); }
};

TEST_F(Ablations, TheWinnersIsARowOfItsOwnWithBothTimes) {
  script_.times_us = {{"toy/only.a1.b0", 6}, {"toy/only.a1.b0.ablated", 4}};
  EXPECT_EQ(run().ablations, 1u);
  const auto rows = ablated();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].variant, "toy/only.a1.b0.ablated");
  EXPECT_EQ(rows[0].outcome, Outcome::Ok);
  EXPECT_EQ(rows[0].verified_on, "emulator");
  EXPECT_EQ(rows[0].source, store::Source::Predicted);
  const auto overhead = nlohmann::json::parse(rows[0].details).at("overhead");
  EXPECT_EQ(overhead.at("of"), "toy/only.a1.b0");
  EXPECT_EQ(overhead.at("source"), "predicted");
  EXPECT_EQ(overhead.at("kernel_us"), 6);
  EXPECT_EQ(overhead.at("ablation_us"), 4);
  EXPECT_TRUE(overhead.at("instructions").contains("missing")) << "the scripted compiler leaves no cubin";
}

TEST_F(Ablations, TheyAreNeverSelectedNorCounted) {
  script_.times_us = {{"toy/only.a1.b0", 6}, {"toy/only.a1.b0.ablated", 4}};
  const Summary summary = run();
  EXPECT_EQ(summary.outcomes.at(Outcome::Ok), 6u) << "candidates only";
  const store::Store store = open(store::Mode::ReadOnly);
  const auto best = store.best(store.environments().front().id);
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(best[0].variant, "toy/only.a1.b0");
}

TEST_F(Ablations, AJobMayAskForEachValueOfAParameter) {
  job_.ablate_each = "a";
  script_.times_us = {{"toy/only.a0.b0", 9}, {"toy/only.a1.b0", 6}, {"toy/only.a2.b0", 7}};
  EXPECT_EQ(run().ablations, 3u);
  std::vector<std::string> variants;
  for (const Candidate& row : ablated()) variants.push_back(row.variant);
  EXPECT_EQ(variants,
            (std::vector<std::string>{"toy/only.a1.b0.ablated", "toy/only.a2.b0.ablated", "toy/only.a0.b0.ablated"}));
}

TEST_F(Ablations, AKernelWithoutOneGetsARowThatSaysWhy) {
  script_.times_us = {{"toy/only.a2.b1", 3}};
  run();
  const auto rows = ablated();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].outcome, Outcome::Illegal);
  EXPECT_EQ(rows[0].reason, "an odd layout has no ablation");
}

TEST_F(Ablations, AWrongOneIsNotTimed) {
  script_.times_us = {{"toy/only.a1.b0", 6}};
  verify::Verdict wrong;
  wrong.status = verify::Verdict::Status::Wrong;
  wrong.message = "c[0,0] is 1, expected 2";
  script_.verdicts = {{"toy/only.a1.b0.ablated", wrong}};
  run();
  const auto rows = ablated();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].outcome, Outcome::Wrong);
  EXPECT_FALSE(rows[0].median_us);
  EXPECT_EQ(script_.count("time toy/only.a1.b0.ablated"), 0u);
}

TEST_F(Ablations, AreMadeOnceAndOnlyWhenAsked) {
  wanted_ = false;
  EXPECT_EQ(run().ablations, 0u);
  EXPECT_TRUE(ablated().empty());
  wanted_ = true;
  EXPECT_EQ(run().ablations, 1u) << "a database of before gets them, without its search being repeated";
  EXPECT_EQ(run().ablations, 0u);
  EXPECT_EQ(script_.count("time toy/only.a0.b0"), 1u);
  EXPECT_EQ(script_.count("time toy/only.a0.b0.ablated"), 1u);
}

TEST_F(Ablations, AStopLeavesNoHalfRow) {
  std::stop_source source;
  script_.after = [&](const std::string& event) {
    if (event == "prove toy/only.a0.b0.ablated") source.request_stop();
  };
  run(source.get_token());
  EXPECT_TRUE(ablated().empty());
  script_.after = nullptr;
  EXPECT_EQ(run().ablations, 1u);
}

}  // namespace
}  // namespace qoq::tune
