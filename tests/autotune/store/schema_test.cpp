#include "autotune/store/schema.h"

#include <gtest/gtest.h>

#include "autotune/store/store.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

using testing::fault_of;
using testing::Folder;

constexpr Migration kSteps[] = {
    {1, "CREATE TABLE row (a INTEGER); INSERT INTO row VALUES (7)"},
    {2, "ALTER TABLE row ADD COLUMN b TEXT; UPDATE row SET b = 'seven' WHERE a = 7"},
    {3, "CREATE INDEX row_b ON row (b)"},
};
constexpr Migration kBroken[] = {
    kSteps[0],
    {2, "ALTER TABLE row ADD COLUMN b TEXT; UPDATE row SET b = 'seven'"},
    {3, "INSERT INTO nowhere VALUES (1)"},
};

class Migrations : public ::testing::Test {
 protected:
  Folder folder_;
  SQLite::Database database_{(folder_ / "t.db").string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};

  void migrate_to(std::span<const Migration> steps) { migrate(database_, "t.db", steps); }
  int version() { return database_.execAndGet("PRAGMA user_version").getInt(); }
};

TEST_F(Migrations, RunFromEmptyAndFromEachOlderVersion) {
  for (size_t from = 0; from <= 3; ++from) {
    SQLite::Database database((folder_ / std::to_string(from)).string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    if (from > 0) migrate(database, "t.db", std::span(kSteps, from));
    migrate(database, "t.db", kSteps);
    EXPECT_EQ(schema_version(database, "t.db", kSteps), 3);
    EXPECT_EQ(database.execAndGet("SELECT group_concat(a || b) FROM row").getString(), "7seven") << "from " << from;
  }
}

TEST_F(Migrations, RunOnce) {
  migrate_to(kSteps);
  migrate_to(kSteps);
  EXPECT_EQ(database_.execAndGet("SELECT count(*) FROM row").getInt(), 1);
}

TEST_F(Migrations, HappenWhollyOrNotAtAll) {
  migrate_to(std::span(kSteps, 1));
  EXPECT_THROW(migrate_to(kBroken), SQLite::Exception);
  EXPECT_EQ(version(), 1);
  EXPECT_EQ(database_.execAndGet("SELECT count(*) FROM pragma_table_info('row')").getInt(), 1) << "step 2 was kept";
  migrate_to(kSteps);
  EXPECT_EQ(version(), 3);
}

TEST_F(Migrations, RefuseANewerFileAndAnotherPrograms) {
  migrate_to(kSteps);
  EXPECT_EQ(
      fault_of([&] { migrate_to(std::span(kSteps, 2)); }),
      "Input: t.db: was written by a newer qoqtune (schema 3, this one knows 2): use that version, or another file");
  database_.exec("PRAGMA application_id = 1");
  EXPECT_NE(fault_of([&] { migrate_to(kSteps); }).find("another program"), std::string::npos);
}

TEST(Schema, VersionsCountUpwards) {
  int last = 0;
  for (const Migration& step : migrations()) EXPECT_EQ(step.version, ++last);
}

}  // namespace
}  // namespace qoq::store
