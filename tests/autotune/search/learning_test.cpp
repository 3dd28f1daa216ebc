// What every strategy must keep, and that those which learn do learn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernels/base/error.h"
#include "tests/autotune/search/rugged.h"

namespace qoq::search {
namespace {

using namespace testing;

/// A prediction that is right but for a tenth either way.
std::vector<std::optional<double>> roughly(std::span<const Point> points) {
  std::vector<std::optional<double>> predicted;
  for (const Point& point : points) {
    uint64_t hash = 7;
    for (const auto& [name, value] : point) hash = mix(hash ^ static_cast<uint64_t>(value));
    const auto time = Rugged::time_us(point);
    predicted.push_back(time.value_or(100) * (0.9 + 0.2 * static_cast<double>(hash % 1000) / 1000));
  }
  return predicted;
}

Settings settings(const std::string& strategy, uint64_t seed, std::optional<int64_t> budget = {}) {
  Settings s{strategy, budget, seed};
  if (strategy == "predict-then-measure") s.predict = roughly;
  return s;
}

class EveryStrategy : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryStrategy, NeverAsksTwiceAndOnlyWhatIsAdmitted) {
  const Space space = Rugged::space();
  const auto strategy = make_strategy(settings(GetParam(), 3), Rugged::space());
  const auto points = search_all(*strategy, Rugged::time_us, 1500);
  EXPECT_EQ(std::set<Point>(points.begin(), points.end()).size(), points.size());
  for (const Point& point : points) EXPECT_TRUE(space.at(space.index(point)).has_value());
}

TEST_P(EveryStrategy, SameSeedAndAnswersSameQuestions) {
  const auto coarse =
      [](const Point& point) {  // many are equally fast: who comes first must not depend on who was told
        auto time = Rugged::time_us(point);
        if (time) *time = 50 * std::ceil(*time / 50);
        return time;
      };
  const auto asked = [&](uint64_t seed, bool reversed) {
    const auto strategy = make_strategy(settings(GetParam(), seed), Rugged::space());
    std::vector<Point> all;
    while (all.size() < 400) {
      const auto batch = strategy->ask();
      if (batch.empty()) break;
      all.insert(all.end(), batch.begin(), batch.end());
      std::vector<Evaluated> answers;
      for (const Point& point : batch) answers.push_back({point, coarse(point)});
      if (reversed) std::ranges::reverse(answers);
      strategy->tell(answers);
    }
    return all;
  };
  EXPECT_EQ(asked(5, false), asked(5, false));
  EXPECT_EQ(asked(5, false), asked(5, true)) << "answers may come in any order";
  if (GetParam() == "random" || GetParam() == "local" || GetParam() == "evolutionary") {
    EXPECT_NE(asked(5, false), asked(6, false));
  }
}

TEST_P(EveryStrategy, ABudgetStopsIt) {
  for (const int64_t budget : {1, 7, 8, 9, 100}) {
    const auto strategy = make_strategy(settings(GetParam(), 2, budget), Rugged::space());
    const auto asked = search_all(*strategy, Rugged::time_us).size();
    if (GetParam() == "predict-then-measure") {
      EXPECT_LE(asked, static_cast<size_t>(budget));
    } else {
      EXPECT_EQ(asked, static_cast<size_t>(budget));
    }
  }
}

TEST_P(EveryStrategy, ASpaceWhereEverythingFailsIsAskedWhole) {
  const auto failing = [](const Point&) { return std::optional<double>(); };
  Settings s{GetParam(), {}, 4};
  s.predict = [](std::span<const Point> points) { return std::vector<std::optional<double>>(points.size()); };
  const auto strategy = make_strategy(s, Space({range("a", 5), range("b", 9)}));
  EXPECT_EQ(search_all(*strategy, failing).size(), 45u);
}

TEST_P(EveryStrategy, TinySpacesAndSuchOfFewAdmittedPointsAreAskedWhole) {
  Settings s{GetParam(), {}, 4};
  const auto same = [](const Point&) { return std::optional<double>(5); };
  s.predict = [](std::span<const Point> points) { return std::vector<std::optional<double>>(points.size(), 5); };
  EXPECT_EQ(search_all(*make_strategy(s, Space({})), same).size(), 1u);
  EXPECT_EQ(search_all(*make_strategy(s, Space({range("a", 1)})), same).size(), 1u);
  EXPECT_EQ(search_all(*make_strategy(s, Space({range("a", 3), range("b", 4)})), same).size(), 12u);
  const Space none({range("a", 50)}, [](const Point&) { return false; });
  EXPECT_EQ(search_all(*make_strategy(s, none), same).size(), 0u);
  // One in 997 of 125,000: hardly a point has a neighbour.
  const Space sparse({range("a", 50), range("b", 50), range("c", 50)},
                     [](const Point& p) { return (p.at("a") * 2500 + p.at("b") * 50 + p.at("c")) % 997 == 0; });
  EXPECT_EQ(search_all(*make_strategy(s, sparse), same).size(), enumerate(sparse).size());
}

TEST_P(EveryStrategy, AnAnswerThatNeverComesStopsNothing) {
  Settings s{GetParam(), {}, 4};
  s.predict = [](std::span<const Point> points) { return std::vector<std::optional<double>>(points.size(), 5); };
  const auto strategy = make_strategy(s, Space({range("a", 6), range("b", 7)}));
  size_t asked = 0;
  for (auto batch = strategy->ask(); !batch.empty(); batch = strategy->ask()) asked += batch.size();
  EXPECT_EQ(asked, 42u);
  EXPECT_TRUE(strategy->ask().empty()) << "finished stays finished";
}

INSTANTIATE_TEST_SUITE_P(Table, EveryStrategy, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Entry& entry : strategies()) names.emplace_back(entry.name);
                           return names;
                         }()),
                         [](const auto& chosen) {
                           std::string name = chosen.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

/// Best found after `evaluations` over the best there is, for seeds 1 … `seeds`.
std::vector<double> found(const std::string& strategy, size_t evaluations, int seeds) {
  double best = INFINITY;
  for (const Point& point : enumerate(Rugged::space())) best = std::min(best, Rugged::time_us(point).value_or(best));
  std::vector<double> fractions;
  for (int seed = 1; seed <= seeds; ++seed) {
    const auto search =
        make_strategy({strategy, static_cast<int64_t>(evaluations), static_cast<uint64_t>(seed)}, Rugged::space());
    double least = INFINITY;
    search_all(*search, [&](const Point& point) {
      const auto time = Rugged::time_us(point);
      least = std::min(least, time.value_or(least));
      return time;
    });
    fractions.push_back(best / least);
  }
  return fractions;
}

struct Spread {
  double mean = 0, error = 0;  ///< of the mean
};
Spread spread(const std::vector<double>& values) {
  Spread s;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) s.mean += value / count;
  for (const double value : values) s.error += (value - s.mean) * (value - s.mean);
  s.error = std::sqrt(s.error / (count - 1) / count);
  return s;
}

TEST(Learning, BeatsRandomAtFivePercentOfARuggedSpace) {
  const size_t points = enumerate(Rugged::space()).size(), evaluations = points / 20;
  ASSERT_GT(points, 2000u);
  const Spread random = spread(found("random", evaluations, 100));
  EXPECT_LT(random.mean, 0.97) << "a space that random search solves shows nothing";
  for (const std::string strategy : {"local", "evolutionary"}) {
    const Spread learning = spread(found(strategy, evaluations, 100));
    EXPECT_GT(learning.mean - random.mean, 3 * std::hypot(learning.error, random.error))
        << strategy << " " << learning.mean << " ± " << learning.error << ", random " << random.mean << " ± "
        << random.error << " after " << evaluations << " of " << points;
  }
}

TEST(Learning, FindsTheBestOfASmoothSpaceInFewSteps) {
  const auto bowl = [](const Point& p) {
    const double a = p.at("a") - 23, b = p.at("b") - 7, c = p.at("c") - 31;
    return std::optional<double>(1 + a * a + b * b + c * c);
  };
  for (const std::string strategy : {"local", "evolutionary"}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      double least = INFINITY;
      const auto search = make_strategy({strategy, 640, seed}, Space({range("a", 40), range("b", 40), range("c", 40)}));
      search_all(*search, [&](const Point& p) {
        const auto time = bowl(p);
        least = std::min(least, *time);
        return time;
      });
      EXPECT_LE(least, 3) << strategy << " seed " << seed << ", of 64,000 points";
    }
  }
}

TEST(Learning, SmallGenerations) {
  for (const std::string strategy : {"local", "evolutionary"}) {
    const auto search = make_strategy({strategy, {}, 1}, Rugged::space());
    for (int i = 0; i < 50; ++i) {
      const auto batch = search->ask();
      EXPECT_LE(batch.size(), 16u);
      std::vector<Evaluated> answers;
      for (const Point& point : batch) answers.push_back({point, Rugged::time_us(point)});
      search->tell(answers);
    }
  }
}

}  // namespace
}  // namespace qoq::search
