#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "autotune/search/strategy.h"
#include "kernels/base/error.h"
#include "tests/autotune/search/rugged.h"

namespace qoq::search {
namespace {

using testing::range;

std::vector<Parameter> three() { return {range("a", 7), range("b", 5), range("c", 11)}; }

std::vector<Point> ask_all(Strategy& strategy) {
  std::vector<Point> all;
  for (auto batch = strategy.ask(); !batch.empty(); batch = strategy.ask()) {
    EXPECT_LE(batch.size(), batch_points);
    all.insert(all.end(), batch.begin(), batch.end());
    strategy.tell({});
  }
  EXPECT_TRUE(strategy.ask().empty());  // finished stays finished
  return all;
}

std::vector<Point> ask_all(const Settings& settings, Space space) {
  return ask_all(*make_strategy(settings, std::move(space)));
}

TEST(SpaceTest, CountsInOrderAndFilters) {
  const Space all({range("a", 2), {"b", "", {30, 10}, {}}});
  EXPECT_EQ(
      enumerate(all),
      (std::vector<Point>{{{"a", 0}, {"b", 30}}, {{"a", 0}, {"b", 10}}, {{"a", 1}, {"b", 30}}, {{"a", 1}, {"b", 10}}}));
  const Space odd(three(), [](const Point& p) { return (p.at("a") + p.at("b") + p.at("c")) % 2 == 1; });
  EXPECT_EQ(odd.combinations(), 7u * 5 * 11);
  EXPECT_EQ(enumerate(odd).size(), 192u);  // (385 − 1) / 2
  EXPECT_EQ(enumerate(Space({})), (std::vector<Point>{{}}));
}

TEST(SpaceTest, PositionsAndIndicesGoBothWays) {
  const Space space({range("z", 2), {"b", "", {30, 10, 20}, {}}, range("a", 4)});
  for (uint64_t index = 0; index < space.combinations(); ++index) {
    EXPECT_EQ(space.index(space.positions(index)), index);
    EXPECT_EQ(space.index(*space.at(index)), index);
  }
  EXPECT_EQ(space.positions(17), (std::vector<uint32_t>{1, 1, 1}));
  EXPECT_THROW(space.index(Point{{"z", 0}, {"b", 11}, {"a", 0}}), Error);
  EXPECT_THROW(space.index(Point{{"z", 0}, {"b", 30}}), Error);
}

TEST(SpaceTest, RefusesWhatIsNoSpace) {
  EXPECT_THROW(Space({range("a", 0)}), Error);
  EXPECT_THROW(Space({range("a", 2), range("a", 3)}), Error);
  std::vector<Parameter> huge;
  for (int i = 0; i < 22; ++i) huge.push_back(range(fmt::format("p{}", i), 8));
  EXPECT_THROW(Space{huge}, Error);  // 2^66
}

TEST(StrategyTest, ExhaustiveIsTheSpaceInOrder) { EXPECT_EQ(ask_all({}, Space(three())), enumerate(Space(three()))); }

TEST(StrategyTest, RandomAsksEveryPointOnce) {
  std::random_device device;
  for (const int count : {1, 2, 3, 4, 5, 16, 17, 385, 1000}) {
    const uint64_t seed = device();
    SCOPED_TRACE(::testing::Message() << "seed " << seed << " count " << count);
    std::vector<Point> points = ask_all({"random", {}, seed}, Space({range("a", count)}));
    EXPECT_EQ(points.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(std::set<Point>(points.begin(), points.end()).size(), points.size());
  }
}

TEST(StrategyTest, RandomDependsOnTheSeedAlone) {
  const auto order = [](uint64_t seed) { return ask_all({"random", {}, seed}, Space(three())); };
  EXPECT_EQ(order(7), order(7));
  EXPECT_NE(order(7), order(8));
  EXPECT_NE(order(7), enumerate(Space(three())));
}

TEST(StrategyTest, RandomIsEven) {
  // Over many seeds each of 12 points comes first equally often: chi-squared, 11 degrees, p = 1e-6 at 50.
  std::map<Point, int> first;
  const int seeds = 12000;
  for (int seed = 0; seed < seeds; ++seed) {
    ++first[make_strategy({"random", 1, static_cast<uint64_t>(seed)}, Space({range("a", 12)}))->ask().at(0)];
  }
  double chi = 0;
  for (const auto& [point, count] : first) chi += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_EQ(first.size(), 12u);
  EXPECT_LT(chi, 50);
}

TEST(StrategyTest, BudgetCutsTheSameOrderShort) {
  for (const std::string strategy : {"exhaustive", "random"}) {
    const std::vector<Point> all = ask_all({strategy, {}, 3}, Space(three()));
    for (const int64_t budget : {1, 63, 64, 65, 384, 385, 1000}) {
      const std::vector<Point> some = ask_all({strategy, budget, 3}, Space(three()));
      ASSERT_EQ(some.size(), static_cast<std::size_t>(std::min<int64_t>(budget, 385))) << strategy << " " << budget;
      EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin()));
    }
  }
}

TEST(StrategyTest, AHugeSpaceIsNeverWrittenOut) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 20; ++i) parameters.push_back(range(fmt::format("p{}", 10 + i), 8));  // 2^60 points
  int asked = 0;
  const auto admits = [&asked](const Point& point) { return ++asked, point.at("p29") % 2 == 0; };
  for (const std::string strategy : {"exhaustive", "random", "local", "evolutionary"}) {
    asked = 0;
    EXPECT_EQ(ask_all({strategy, 100, 1}, Space(parameters, admits)).size(), 100u);
    EXPECT_LT(asked, 1000) << strategy;
  }
}

TEST(StrategyTest, UnknownNamesAndBudgetsAreRefused) {
  try {
    make_strategy({"bayes", {}, 1}, Space(three()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "no search strategy called \"bayes\" (known: exhaustive, random, local, "
              "evolutionary, predict-then-measure)");
    EXPECT_EQ(error.fault(), Fault::Input);
  }
  EXPECT_THROW(make_strategy({"random", 0, 1}, Space(three())), Error);
}

}  // namespace
}  // namespace qoq::search
