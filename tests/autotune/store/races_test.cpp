#include <gtest/gtest.h>

#include "autotune/store/store.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

using testing::fault_of;
using testing::Folder;
using testing::kProblem;
using testing::open_with_problem;
using testing::simulated;

RaceRow race(const std::string& winner = "mma.a") {
  return {.problem = kProblem,
          .winner = winner,
          .incumbent = "mma.b",
          .reason = "faster by 3 % in every round",
          .details = R"({"rounds":5})"};
}

TEST(Races, ReturnEveryFieldAndBelongToTheirEnvironment) {
  Folder folder;
  {
    Store store = open_with_problem(folder / "tune.db");
    store.put_race(store.environment(simulated()), race());
  }
  const Store store = Store::open(folder / "tune.db", Mode::ReadOnly);
  auto rows = store.races(1);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].created_at.size(), std::string("2025-11-23T09:14:02.123Z").size());
  rows[0].created_at.clear();
  EXPECT_TRUE(rows[0] == race());
  EXPECT_TRUE(store.races(2).empty());
}

TEST(Races, AreReplacedByProblem) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const std::string other = "gemm w4a8-g128 m=65 n=4096 k=4096";
  store.put_problem(testing::gemm_row(other));
  const int64_t here = store.environment(simulated());
  store.put_race(here, race());
  RaceRow second = race("mma.c");
  second.problem = other;
  store.put_race(here, second);
  const RaceRow again{.problem = kProblem, .winner = "mma.d", .incumbent = "mma.e", .reason = "a tie"};
  store.put_race(here, again);
  auto rows = store.races(here);
  ASSERT_EQ(rows.size(), 2u);
  for (RaceRow& row : rows) row.created_at.clear();
  EXPECT_TRUE(rows[0] == again);
  EXPECT_TRUE(rows[1] == second);
  EXPECT_EQ(store.race(here, kProblem)->winner, "mma.d");
  EXPECT_EQ(store.race(here, other)->winner, "mma.c");
  EXPECT_FALSE(store.race(here + 1, kProblem));
  EXPECT_FALSE(store.race(here, "gemm w4a8-g128 m=1 n=1 k=128"));
}

TEST(Races, TheWinnerIsItsProblemsBestWhateverMediansSay) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const std::string other = "gemm w4a8-g128 m=65 n=4096 k=4096";
  store.put_problem(testing::gemm_row(other));
  const int64_t here = store.environment(simulated()), there = store.environment(simulated("sim:a100"));
  Candidate lucky = testing::candidate(1), winner = testing::candidate(6);
  for (Candidate* row : {&lucky, &winner}) row->source = Source::Measured;
  ASSERT_LT(*lucky.median_us, *winner.median_us);
  for (const int64_t environment : {here, there}) store.record(environment, std::vector{lucky, winner});
  store.record(here, std::vector{testing::candidate(2, other), testing::candidate(6, other)});
  EXPECT_EQ(store.best(here)[0].variant, lucky.variant);
  store.put_race(here, race(winner.variant));
  const auto best = store.best(here);
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[0].variant, winner.variant);
  EXPECT_EQ(best[1].variant, testing::candidate(2, other).variant) << "another problem's race";
  EXPECT_EQ(store.best(there)[0].variant, lucky.variant) << "another environment's race";

  const auto best_after = [&](auto change) {
    Candidate row = winner;
    change(row);
    store.record(here, row);
    return store.best(here)[0].variant;
  };
  EXPECT_EQ(best_after([](Candidate& row) { row.verified_on.clear(); }), lucky.variant);
  EXPECT_EQ(best_after([](Candidate& row) { row.baseline = true; }), lucky.variant);
  EXPECT_EQ(best_after([](Candidate& row) { row.source = Source::Predicted; }), lucky.variant);
  EXPECT_EQ(best_after([](Candidate&) {}), winner.variant);
  EXPECT_EQ(best_after([](Candidate& row) {
              row.outcome = Outcome::Wrong;
              row.reason = "differs";
              row.source = Source::None;
              row.median_us.reset();
              row.noise.reset();
              row.samples_us.clear();
            }),
            lucky.variant);
}

TEST(Races, RefuseAnUnknownProblemOrEnvironment) {
  Folder folder;
  Store store = open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(simulated());
  RaceRow row = race();
  row.problem = "gemm never heard of";
  EXPECT_NE(fault_of([&] { store.put_race(here, row); }).find("is not in the database"), std::string::npos);
  EXPECT_NE(fault_of([&] { store.put_race(here + 1, race()); }).find("FOREIGN KEY"), std::string::npos);
  EXPECT_TRUE(store.races(here).empty());
}

}  // namespace
}  // namespace qoq::store
