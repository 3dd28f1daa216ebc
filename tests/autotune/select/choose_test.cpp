#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/autotune/select/rows.h"

namespace qoq::select {
namespace {

using store::Candidate;
using store::Outcome;
using store::Source;
using testing::fault_of;
using testing::gemm;
using testing::row_of;
using testing::Shelf;

constexpr double kNone = std::numeric_limits<double>::infinity();
const std::vector<std::string> kLayouts = {"fragment", "qserve", "rowmajor"};

/// Times of a made-up job: time[problem][layout], the least of several rows; infinite where there is none.
struct Made {
  std::vector<int> group;  ///< of each problem
  std::vector<double> weight;
  std::vector<std::array<double, 3>> time;
  int groups = 0;
};

/// Rows that must not be chosen although they are fast.
void put_traps(Shelf& shelf, const std::string& problem, const std::string& layout, int id) {
  Candidate trap = row_of(problem, fmt::format("trap{}", id), layout, 0.001);
  switch (id % 5) {
    case 0:
      trap.ablated = true;
      break;
    case 1:
      trap.verified_on.clear();
      break;
    case 2:
      trap.source = Source::Emulated;
      trap.median_us.reset();
      break;
    case 3:
      trap.outcome = Outcome::Wrong;
      trap.reason = "differs";
      trap.median_us.reset();
      break;
    case 4:
      trap.baseline = true;
      break;
  }
  shelf.put(trap);
}

Made make_job(Shelf& shelf, std::mt19937& random) {
  std::uniform_real_distribution<> time(1, 50), weight(0.1, 5);
  std::uniform_int_distribution<> problems(1, 4), rows(0, 3);
  Made made;
  made.groups = 3;
  int id = 0;
  for (int group = 0; group < made.groups; ++group) {
    for (int p = problems(random); p > 0; --p) {
      const std::string text = gemm(1 << p, 1024 * (group + 1), 4096);
      made.group.push_back(group);
      made.weight.push_back(weight(random));
      shelf.want(text, made.weight.back() / 2);
      shelf.want(text, made.weight.back() / 2);  // twice in the job: the weights add up
      auto& best = made.time.emplace_back();
      best.fill(kNone);
      for (size_t layout = 0; layout < kLayouts.size(); ++layout) {
        for (int r = rows(random); r > 0; --r) {
          const double us = time(random);
          best[layout] = std::min(best[layout], us);
          shelf.put(text, fmt::format("v{}", id++), kLayouts[layout], us);
        }
        put_traps(shelf, text, kLayouts[layout], id++);
      }
    }
  }
  return made;
}

TEST(Choose, MatchesExhaustiveEnumeration) {
  const unsigned seed = std::random_device()();
  for (unsigned round = 0; round < 40; ++round) {
    SCOPED_TRACE(fmt::format("seed {} round {}", seed, round));
    std::mt19937 random(seed + round);
    Shelf shelf;
    const Made made = make_job(shelf, random);

    // Every assignment of layouts to groups: most problems served, then least weighted time.
    int most_served = -1, best_assignment = 0;
    double least = kNone, free_us = 0;
    for (int assignment = 0; assignment < 27; ++assignment) {
      const int layout_of[3] = {assignment % 3, assignment / 3 % 3, assignment / 9};
      int served = 0;
      double cost = 0, free_cost = 0;
      for (size_t p = 0; p < made.time.size(); ++p) {
        const double us = made.time[p][static_cast<size_t>(layout_of[made.group[p]])];
        if (us == kNone) continue;
        ++served;
        cost += made.weight[p] * us;
        free_cost += made.weight[p] * *std::min_element(made.time[p].begin(), made.time[p].end());
      }
      if (served > most_served || (served == most_served && cost < least)) {
        most_served = served;
        least = cost;
        best_assignment = assignment;
        free_us = free_cost;
      }
    }

    const Selection selection = shelf.choose();
    EXPECT_NEAR(selection.chosen_us(), least, 1e-9 * least);
    EXPECT_NEAR(selection.free_us(), free_us, 1e-9 * free_us);
    ASSERT_EQ(selection.groups.size(), 3u);
    ASSERT_EQ(selection.choices.size(), made.time.size());
    size_t unserved = 0;
    for (const Group& group : selection.groups) unserved += group.unserved.size();
    EXPECT_EQ(made.time.size() - unserved, static_cast<size_t>(most_served));
    for (size_t p = 0; p < made.time.size(); ++p) {
      const int divisor[3] = {1, 3, 9};
      const size_t layout = static_cast<size_t>(best_assignment / divisor[made.group[p]] % 3);
      const Choice& choice = selection.choices[p];
      if (made.time[p][layout] == kNone) {
        EXPECT_EQ(choice.how, How::None);
        EXPECT_FALSE(choice.note.empty());
      } else {
        EXPECT_EQ(choice.how, How::Exact);
        EXPECT_EQ(choice.layout, kLayouts[layout]);
        EXPECT_EQ(choice.expected_us, made.time[p][layout]);
      }
    }
  }
}

TEST(Choose, SaysWhatOneLayoutCostAgainstFreeChoice) {
  Shelf shelf;
  shelf.want(gemm(16, 4096, 4096), 10);
  shelf.want(gemm(256, 4096, 4096), 1);
  shelf.put(gemm(16, 4096, 4096), "a", "qserve", 10);
  shelf.put(gemm(16, 4096, 4096), "b", "fragment", 8);
  shelf.put(gemm(256, 4096, 4096), "a", "qserve", 20);
  shelf.put(gemm(256, 4096, 4096), "b", "fragment", 30);
  const Selection selection = shelf.choose();
  const Group& group = selection.groups.at(0);
  EXPECT_EQ(group.layout, "fragment");
  EXPECT_DOUBLE_EQ(group.chosen_us, 110);
  EXPECT_DOUBLE_EQ(group.free_us, 100);
  EXPECT_DOUBLE_EQ(selection.ratio(), 1.1);
  ASSERT_EQ(group.layouts.size(), 2u);
  EXPECT_EQ(group.layouts[1].layout, "qserve");
  EXPECT_DOUBLE_EQ(group.layouts[1].cost_us, 120);
  EXPECT_EQ(group.note, "only predicted: no GPU has measured it");
  EXPECT_EQ(selection.choices[1].note, group.note);
}

TEST(Choose, KeepsTheIncumbentLayoutOnlyOnATie) {
  for (const auto& [time_us, expected] : {std::pair(100.9, "qserve"), std::pair(101.1, "fragment")}) {
    Shelf shelf;
    shelf.want(gemm(16, 4096, 4096));
    shelf.put(gemm(16, 4096, 4096), "a", "qserve", time_us);
    shelf.put(gemm(16, 4096, 4096), "b", "fragment", 100);
    EXPECT_EQ(shelf.choose().groups[0].layout, "fragment");
    const Group kept = shelf.choose({{group_key("gemm", "w4a8-g128", "n=4096 k=4096"), "qserve"}}).groups[0];
    EXPECT_EQ(kept.layout, expected);
    EXPECT_DOUBLE_EQ(kept.free_us, 100);
  }
}

TEST(Choose, TakesTheFirstNameOfEqualLayoutsAndVariants) {
  Shelf shelf;
  shelf.want(gemm(16, 4096, 4096));
  for (const char* variant : {"z", "c", "b"}) shelf.put(gemm(16, 4096, 4096), variant, "qserve", 5);
  shelf.put(gemm(16, 4096, 4096), "y", "fragment", 5);
  shelf.put(gemm(16, 4096, 4096), "x", "fragment", 5);
  EXPECT_EQ(shelf.choose().choices[0].variant, "x");
  EXPECT_EQ(shelf.choose().choices[0].layout, "fragment");
}

TEST(Choose, PrefersThePublishedPointOnlyOnATie) {
  for (const auto& [time_us, expected] : {std::pair(10.09, "published"), std::pair(10.11, "fastest")}) {
    Shelf shelf;
    shelf.want(gemm(16, 4096, 4096));
    shelf.put(gemm(16, 4096, 4096), "fastest", "qserve", 10);
    Candidate published = row_of(gemm(16, 4096, 4096), "published", "qserve", time_us);
    published.published = true;
    shelf.put(published);
    EXPECT_EQ(shelf.choose().choices[0].variant, expected);
    EXPECT_DOUBLE_EQ(shelf.choose().chosen_us(), 10) << "costs compare the best times";
  }
}

TEST(Choose, TheWinnerOfARaceIsNotOverturnedByMedians) {
  const std::string problem = gemm(16, 4096, 4096);
  Shelf shelf;
  shelf.want(problem);
  shelf.put(problem, "lucky", "qserve", 10);
  shelf.put(problem, "winner", "qserve", 11);
  shelf.put(problem, "elsewhere", "fragment", 10.5);
  Candidate published = row_of(problem, "published", "qserve", 10.05);
  published.published = true;
  shelf.put(published);
  EXPECT_EQ(shelf.choose().choices[0].variant, "published");
  shelf.race(problem, "winner");
  const Selection selection = shelf.choose();
  EXPECT_EQ(selection.choices[0].variant, "winner");
  EXPECT_EQ(selection.choices[0].expected_us, 11);
  EXPECT_EQ(selection.groups[0].layout, "qserve") << "another layout's median does not overturn it either";
  EXPECT_DOUBLE_EQ(selection.groups[0].chosen_us, 11);
  EXPECT_DOUBLE_EQ(selection.ratio(), 1);
  shelf.race(problem, "elsewhere");
  EXPECT_EQ(shelf.choose().choices[0].variant, "elsewhere");
  shelf.race(problem, "gone");
  EXPECT_EQ(shelf.choose().choices[0].variant, "published") << "without its row all is as without a race";
}

TEST(Choose, OneRaceDoesNotDecideALayoutThatCostsTheOthersMore) {
  Shelf shelf;
  shelf.want(gemm(16, 4096, 4096));
  shelf.want(gemm(256, 4096, 4096));
  shelf.put(gemm(16, 4096, 4096), "winner", "qserve", 10);
  shelf.put(gemm(16, 4096, 4096), "close", "fragment", 10.1);
  shelf.put(gemm(256, 4096, 4096), "a", "qserve", 30);
  shelf.put(gemm(256, 4096, 4096), "b", "fragment", 20);
  shelf.race(gemm(16, 4096, 4096), "winner");
  const Selection selection = shelf.choose();
  EXPECT_EQ(selection.groups[0].layout, "fragment");
  EXPECT_EQ(selection.choices[0].variant, "close");
  EXPECT_DOUBLE_EQ(selection.free_us(), 30);
}

TEST(Choose, PrefersALayoutThatServesEveryProblem) {
  Shelf shelf;
  shelf.want(gemm(1, 4096, 4096), 100);
  shelf.want(gemm(16, 4096, 4096), 1);
  shelf.put(gemm(1, 4096, 4096), "fast", "fragment", 1);
  shelf.put(gemm(1, 4096, 4096), "slow", "qserve", 2);
  shelf.put(gemm(16, 4096, 4096), "only", "qserve", 3);
  const Group group = shelf.choose().groups[0];
  EXPECT_EQ(group.layout, "qserve");
  EXPECT_TRUE(group.unserved.empty());
  EXPECT_DOUBLE_EQ(group.chosen_us, 203);
  EXPECT_DOUBLE_EQ(group.free_us, 103);
  const std::string key = group_key("gemm", "w4a8-g128", "n=4096 k=4096");
  EXPECT_EQ(shelf.choose({{key, "fragment"}}).groups[0].layout, "qserve") << "an incumbent must serve as many";
}

TEST(Choose, NeverWeighsMeasuredAgainstPredicted) {
  Shelf shelf;
  shelf.want(gemm(1, 4096, 4096));
  shelf.want(gemm(16, 4096, 4096));
  shelf.put(gemm(1, 4096, 4096), "dream", "fragment", 1);
  shelf.put(gemm(16, 4096, 4096), "dream", "fragment", 1);
  Candidate measured = row_of(gemm(1, 4096, 4096), "real", "qserve", 9);
  measured.source = Source::Measured;
  measured.verified_on = "cuda";
  shelf.put(measured);
  const Selection selection = shelf.choose();
  EXPECT_EQ(selection.groups[0].layout, "qserve");
  EXPECT_EQ(selection.groups[0].source, Source::Measured);
  EXPECT_EQ(selection.groups[0].note, "2 predicted rows left aside: others are measured");
  EXPECT_EQ(selection.choices[0].variant, "real");
  EXPECT_EQ(selection.choices[0].note, "");
  EXPECT_EQ(selection.choices[1].how, How::None);
  EXPECT_EQ(selection.choices[1].note, "only predicted rows, while others of these weights are measured");
}

TEST(Choose, RefusesEmulatedAndUnverifiedRowsAndSaysSo) {
  Shelf shelf;
  shelf.want(gemm(1, 4096, 4096));
  shelf.want(gemm(1, 8192, 4096));
  Candidate emulated = row_of(gemm(1, 4096, 4096), "e", "qserve", 1), unverified = emulated;
  emulated.source = Source::Emulated;
  emulated.median_us.reset();
  unverified.variant = "u";
  unverified.verified_on.clear();
  shelf.put(emulated);
  shelf.put(unverified);
  const Selection selection = shelf.choose();
  EXPECT_EQ(selection.choices[0].how, How::None);
  EXPECT_EQ(selection.choices[0].note,
            "no usable row; refused rows: 1 emulated (those have no times), 1 never verified");
  EXPECT_EQ(selection.choices[1].note, "no candidate ended ok in this environment");
  EXPECT_EQ(selection.groups[0].layout, "");
  EXPECT_DOUBLE_EQ(selection.ratio(), 1);
}

TEST(Choose, UsesOnlyItsOwnEnvironment) {
  Shelf shelf;
  shelf.want(gemm(1, 4096, 4096));
  shelf.put(gemm(1, 4096, 4096), "a", "qserve", 1);
  EXPECT_NE(fault_of([&] { choose(shelf.store(), 77, "job"); }).find("holds no environment 77"), std::string::npos);
  EXPECT_NE(fault_of([&] { choose(shelf.store(), shelf.environment(), "other"); }).find("holds no job \"other\""),
            std::string::npos);
}

TEST(Print, SelectionAsJsonAndText) {
  Shelf shelf;
  shelf.want(gemm(16, 4096, 4096), 2);
  shelf.put(gemm(16, 4096, 4096), "mma.bm16", "qserve", 12.5);
  const Selection selection = shelf.choose();
  const auto json = nlohmann::json::parse(to_json(selection).dump());
  EXPECT_EQ(json["target"], "sim:h200");
  EXPECT_EQ(json["groups"][0]["layout"], "qserve");
  EXPECT_EQ(json["groups"][0]["chosen_us"], 25.0);
  EXPECT_EQ(json["choices"][0]["variant"], "mma.bm16");
  EXPECT_EQ(json["choices"][0]["source"], "predicted");
  EXPECT_EQ(json["choices"][0]["evidence"][0]["verified_on"], "emulator");
  const std::string text = to_text(selection);
  EXPECT_NE(text.find("gemm w4a8-g128 n=4096 k=4096"), std::string::npos);
  EXPECT_NE(text.find("mma.bm16  12.50 us predicted"), std::string::npos) << text;
}

}  // namespace
}  // namespace qoq::select
