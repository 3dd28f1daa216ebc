#include <gtest/gtest.h>

#include <cmath>

#include "autotune/store/store.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

using testing::fault_of;
using testing::Folder;
using testing::simulated;

CeilingRow reading() {
  return {.name = "memory read", .value = 4527.3, .unit = "GB/s", .sheet_value = 4800, .details = R"({"noise":0.002})"};
}

TEST(Ceilings, ReturnEveryFieldAndBelongToTheirEnvironment) {
  Folder folder;
  {
    Store store = Store::open(folder / "tune.db", Mode::ReadWrite);
    const int64_t here = store.environment(simulated()), there = store.environment(simulated("sim:a100"));
    store.put_ceiling(here, reading());
    store.put_ceiling(here, {.name = "int8 tensor", .value = 1900, .unit = "TOPS"});
    store.put_ceiling(there, {.name = "memory read", .value = 1700, .unit = "GB/s"});
  }
  const Store store = Store::open(folder / "tune.db", Mode::ReadOnly);
  auto rows = store.ceilings(1);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].created_at.size(), std::string("2025-11-23T09:14:02.123Z").size());
  rows[0].created_at.clear();
  EXPECT_TRUE(rows[0] == reading());
  EXPECT_EQ(rows[1].name, "int8 tensor");
  EXPECT_EQ(store.ceilings(2).size(), 1u);
  EXPECT_TRUE(store.ceilings(3).empty());
}

TEST(Ceilings, AreReplacedByName) {
  Folder folder;
  Store store = Store::open(folder / "tune.db", Mode::ReadWrite);
  const int64_t here = store.environment(simulated());
  store.put_ceiling(here, reading());
  const CeilingRow again{.name = reading().name, .value = 4626, .unit = "GB/s at most", .sheet_value = 4917};
  store.put_ceiling(here, again);
  auto rows = store.ceilings(here);
  ASSERT_EQ(rows.size(), 1u);
  rows[0].created_at.clear();
  EXPECT_TRUE(rows[0] == again);
}

TEST(Ceilings, RefuseWhatIsNoRate) {
  Folder folder;
  Store store = Store::open(folder / "tune.db", Mode::ReadWrite);
  const int64_t here = store.environment(simulated());
  const auto fault = [&](auto change) {
    CeilingRow row = reading();
    change(row);
    return fault_of([&] { store.put_ceiling(here, row); });
  };
  for (const double value : {0.0, -1.0, std::nan(""), double{INFINITY}})
    EXPECT_NE(fault([&](CeilingRow& row) { row.value = value; }).find("is no rate"), std::string::npos) << value;
  EXPECT_NE(fault([](CeilingRow& row) { row.name.clear(); }), "");
  EXPECT_NE(fault([](CeilingRow& row) { row.details += "{"; }).find("json_valid"), std::string::npos);
  EXPECT_NE(fault_of([&] { store.put_ceiling(here + 1, reading()); }).find("FOREIGN KEY"), std::string::npos);
  EXPECT_TRUE(store.ceilings(here).empty());
  Store reader = Store::open(folder / "tune.db", Mode::ReadOnly);
  EXPECT_NE(fault_of([&] { reader.put_ceiling(here, reading()); }).find("reading only"), std::string::npos);
}

}  // namespace
}  // namespace qoq::store
