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
