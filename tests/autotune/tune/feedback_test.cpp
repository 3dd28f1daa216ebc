// What the strategy is told. This program defines search::make_strategy itself, so the linker leaves the real table
// out.
#include <gtest/gtest.h>

#include "tests/autotune/tune/fakes.h"

namespace {

struct Told {
  std::string point;
  std::optional<double> time_us;
  bool operator==(const Told&) const = default;
};
std::vector<std::vector<Told>> told;

}  // namespace

namespace qoq::search {
namespace {

/// Asks for two points at a time and writes down every answer.
class Listening final : public Strategy {
 public:
  explicit Listening(const Space& space) : points_(enumerate(space)) {}
  std::vector<Point> ask() override {
    std::vector<Point> batch;
    while (batch.size() < 2 && next_ < points_.size()) batch.push_back(points_[next_++]);
    return batch;
  }
  void tell(std::span<const Evaluated> results) override {
    auto& batch = told.emplace_back();
    for (const Evaluated& e : results)
      batch.push_back({fmt::format("a{} b{}", e.point.at("a"), e.point.at("b")), e.time_us});
  }

 private:
  std::vector<Point> points_;
  size_t next_ = 0;
};

}  // namespace

std::span<const Entry> strategies() { return {}; }
std::unique_ptr<Strategy> make_strategy(const Settings&, Space space) { return std::make_unique<Listening>(space); }

}  // namespace qoq::search

namespace qoq::tune {
namespace {

using namespace testing;

TEST(Feedback, EveryAnswerGoesBackAlsoThoseOfEarlierRuns) {
  store::testing::Folder folder;
  job::Families families;
  families.push_back(std::make_unique<ToyFamily>());
  static_cast<ToyFamily&>(*families[0]).published_point = Point{{"a", 0}, {"b", 1}};
  Script script;
  script.times_us = {{"toy/only.a0.b0", 5}, {"toy/only.a0.b1", 6}, {"toy/only.a1.b0", 7}, {"toy/only.a2.b1", 8}};
  script.refused = {"toy/only.a1.b1"};
  script.verdicts["toy/only.a2.b0"].status = verify::Verdict::Status::Wrong;
  script.verdicts["toy/only.a2.b0"].message = "wrong";

  const std::vector<std::vector<Told>> expected{
      {{"a0 b0", 5}, {"a0 b1", 6}}, {{"a1 b0", 7}, {"a1 b1", {}}}, {{"a2 b0", {}}, {"a2 b1", 8}}};
  for (const char* run : {"fresh", "all of it known"}) {
    SCOPED_TRACE(run);
    told.clear();
    store::Store store = store::Store::open(folder / "tune.db", store::Mode::ReadWrite);
    auto shops = workshops(script);
    Progress progress(0, true);
    tune(toy_job({"toy i8 n=64"}), shops, store, {}, progress, {}, families);
    EXPECT_EQ(told, expected);
  }
}

TEST(Feedback, AStoppedBatchIsNotTold) {
  store::testing::Folder folder;
  job::Families families;
  families.push_back(std::make_unique<ToyFamily>());
  Script script;
  std::stop_source stop;
  script.after = [&](const std::string& event) {
    if (event == "prove toy/only.a1.b0") stop.request_stop();
  };
  told.clear();
  store::Store store = store::Store::open(folder / "tune.db", store::Mode::ReadWrite);
  auto shops = workshops(script);
  Progress progress(0, true);
  tune(toy_job({"toy i8 n=64"}), shops, store, {}, progress, stop.get_token(), families);
  ASSERT_EQ(told.size(), 1u) << "only the batch that was finished";
  EXPECT_EQ(told[0][0].point, "a0 b0");
}

}  // namespace
}  // namespace qoq::tune
