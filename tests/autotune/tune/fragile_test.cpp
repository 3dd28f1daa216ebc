// What tune writes of winners that rest on assumptions.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/tune/fakes.h"

namespace qoq::tune {
namespace {

using namespace testing;

/// One CTA that works `instructions` long and meets `barriers`.
roofline::Subject kernel(int instructions, int barriers) {
  roofline::Step step;
  step.code.registers = 32;
  step.code.body.issued = instructions;
  step.code.body.barriers = barriers;
  step.launch = {"toy", {1, 1, 1}, {128, 1, 1}, {}, 1024};
  return {{step}};
}

class FragileTest : public ::testing::Test {
 protected:
  /// A run of a family whose variants are a0.b0, a1.b0 (layout even), a0.b1, a1.b1 (odd).
  void run(std::stop_token stop = {}) {
    job::Families families;
    auto family = std::make_unique<ToyFamily>();
    family->a = {0, 1};
    families.push_back(std::move(family));
    store::Store store = store::Store::open(folder_ / "tune.db", store::Mode::ReadWrite);
    auto shops = workshops(script_);
    for (auto& [key, rate] : shops[0].target.sheet->rates())
      rate->ground = key == "latency.barrier" ? roofline::Ground::Assumed : roofline::Ground::Datasheet;
    Progress progress(0, true);
    tune(toy_job({"toy i8 n=64"}), shops, store, {}, progress, stop, families);
  }
  nlohmann::json fragile(const std::string& variant) const {
    for (const auto& row : store::Store::open(folder_ / "tune.db", store::Mode::ReadOnly).candidates({})) {
      if (row.variant == variant) return nlohmann::json::parse(row.details).value("fragile", nlohmann::json("absent"));
    }
    return "no such row";
  }
  store::testing::Folder folder_;
  Script script_;
};

TEST_F(FragileTest, TheWinnersOfAProblemAndOfEachLayoutAreAssessed) {
  script_.subjects = {{"toy/only.a0.b0", kernel(1000, 1000)},  // wins by 1 %, while a barrier costs no more
                      {"toy/only.a1.b0", kernel(44300, 1)},
                      {"toy/only.a0.b1", kernel(60000, 1)},  // first of its layout, whatever a barrier costs
                      {"toy/only.a1.b1", kernel(61000, 1)}};
  run();
  const auto found = fragile("toy/only.a0.b0");
  ASSERT_EQ(found.size(), 1u) << found;
  EXPECT_EQ(found[0]["rate"], "latency.barrier");
  EXPECT_EQ(found[0]["factor"], 1.3);
  EXPECT_EQ(found[0]["winner"], "toy/only.a1.b0");
  EXPECT_GT(found[0]["loss"].get<double>(), 0.05);
  EXPECT_EQ(fragile("toy/only.a0.b1"), nlohmann::json::array());
  EXPECT_EQ(fragile("toy/only.a1.b0"), "absent");
}

// The rows of a run that was stopped are built again for their subjects; nothing is timed twice for its own sake.
TEST_F(FragileTest, RowsOfAStoppedRunAreRivalsToo) {
  script_.subjects = {{"toy/only.a0.b0", kernel(1000, 1000)},
                      {"toy/only.a0.b1", kernel(90000, 1)},
                      {"toy/only.a1.b0", kernel(44300, 1)},
                      {"toy/only.a1.b1", kernel(90000, 1)}};
  std::stop_source source;
  script_.after = [&](const std::string& event) {
    if (event == "time toy/only.a0.b0") source.request_stop();
  };
  run(source.get_token());
  EXPECT_EQ(fragile("toy/only.a0.b0"), "absent");
  script_.after = nullptr;
  run();
  ASSERT_EQ(fragile("toy/only.a0.b0").size(), 1u);
  const size_t events = script_.diary.size();
  run();
  EXPECT_EQ(script_.diary.size(), events) << "nothing new: nothing is asked";
}

TEST_F(FragileTest, WithoutSubjectsNothingIsSaid) {
  run();
  EXPECT_EQ(fragile("toy/only.a0.b0"), "absent");
}

}  // namespace
}  // namespace qoq::tune
