#include "autotune/store/schema.h"

#include <fmt/format.h>
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

/// A file as schema 1 wrote it: one environment, two problems, a job, a candidate with its launch.
constexpr const char* kRowsOfSchema1 = R"sql(
INSERT INTO environment (id, key, target, product, uuid, architecture, sm_count, power_cap_w, driver, compiler,
  kernels, cache_mode, launch_mode, predictor, gpu, ceilings, created_at, used_at)
VALUES (3, '{}', 'sim:h200', 'NVIDIA H200', '', 'sm_90a', 132, 700, '', 'NVRTC 13.0', 'k1', 'weights-cold', 'eager',
  'model 1', 'NVIDIA H200', '{{}}', 't', 't');
INSERT INTO problem VALUES (1, '{}', 'gemm', 'w4a8-g128', 'n=4096 k=4096', 1, 'int8', 1, 1);
INSERT INTO job VALUES (1, 'llama', 'model: llama', 't');
INSERT INTO job_item VALUES (1, 0, 1, 'o', 2);
INSERT INTO candidate (id, environment, problem, variant, ablated, family, layout, point, published, outcome, reason,
  source, median_us, noise, samples_us, speed_of_light_us, details, verified_on, verify_problem, max_error, seed,
  created_at)
VALUES (9, 3, 1, 'mma.x', 0, 'gemm/mma', 'qserve', '{{"st":4}}', 1, 'ok', '', 'predicted', 12.5, NULL, '[12.5]', 2.5,
  '{{"dram_us":2.5}}', 'emulator', 'p', 0, 7, 't');
INSERT INTO kernel VALUES (1, 'cubin', 'main', 128, 0, 0, 0, '{{}}');
INSERT INTO launch VALUES (9, 0, 1, 65536, 128, 256);
)sql";

TEST(Schema, AFileOfSchema1IsReadOnceBroughtUpAndKeepsItsRows) {
  Folder folder;
  const auto path = folder / "tune.db";
  {
    SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    migrate(database, "tune.db", migrations().first(1));
    database.exec(fmt::format(kRowsOfSchema1, testing::simulated().key(), testing::kProblem));
  }
  EXPECT_EQ(fault_of([&] { Store::open(path, Mode::ReadOnly); }),
            "Input: " + path.string() +
                ": was written by an older qoqtune (schema 1, now 3): tune into it once to bring it up");
  {
    Store store = Store::open(path, Mode::ReadWrite);
    EXPECT_EQ(store.environment(testing::simulated()), 3) << "an environment from then is found again";
    store.put_ceiling(3, {.name = "read", .value = 1, .unit = "GB/s"});
  }
  const Store store = Store::open(path, Mode::ReadOnly);
  ASSERT_EQ(store.environments().size(), 1u);
  EXPECT_TRUE(store.environments()[0].environment == testing::simulated());
  EXPECT_EQ(store.job("llama")->items.size(), 1u);
  const auto rows = store.candidates({});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].variant, "mma.x");
  EXPECT_EQ(rows[0].median_us, 12.5);
  EXPECT_TRUE(rows[0].published);
  EXPECT_FALSE(rows[0].baseline);
  EXPECT_EQ(rows[0].kernels.at(0).registers, 128);
  EXPECT_EQ(store.best(3).size(), 1u);
  EXPECT_TRUE(store.races(3).empty());
  EXPECT_EQ(store.ceilings(3).size(), 1u);
}

TEST(Schema, AFileOfSchema2IsReadAsItIs) {
  Folder folder;
  const auto path = folder / "tune.db";
  {
    SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    migrate(database, "tune.db", migrations().first(2));
  }
  {
    const Store store = Store::open(path, Mode::ReadOnly);
    EXPECT_TRUE(store.runs().empty());
    EXPECT_TRUE(store.candidates({}).empty());
  }
  Store store = Store::open(path, Mode::ReadWrite);
  store.add_run("llama", "qoqtune tune llama.yaml");
  store.add_run("llama", "qoqtune tune llama.yaml");
  ASSERT_EQ(store.runs().size(), 2u);
  EXPECT_EQ(store.runs()[1].job, "llama");
  EXPECT_EQ(store.runs()[1].command, "qoqtune tune llama.yaml");
  EXPECT_FALSE(store.runs()[1].started_at.empty());
}

TEST(Schema, VersionsCountUpwards) {
  int last = 0;
  for (const Migration& step : migrations()) EXPECT_EQ(step.version, ++last);
}

}  // namespace
}  // namespace qoq::store
