#include "autotune/store/schema.h"

#include <SQLiteCpp/Statement.h>
#include <SQLiteCpp/Transaction.h>

#include "kernels/base/error.h"

namespace qoq::store {
namespace {

constexpr const char* kFirst = R"sql(
CREATE TABLE environment (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,  -- digest of the fields down to predictor
  target TEXT NOT NULL, product TEXT NOT NULL, uuid TEXT NOT NULL, architecture TEXT NOT NULL,
  sm_count INTEGER NOT NULL, power_cap_w REAL NOT NULL,
  driver TEXT NOT NULL, compiler TEXT NOT NULL, kernels TEXT NOT NULL,
  cache_mode TEXT NOT NULL, launch_mode TEXT NOT NULL, predictor TEXT NOT NULL,
  gpu TEXT NOT NULL DEFAULT '', ceilings TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(ceilings)),
  created_at TEXT NOT NULL, used_at TEXT NOT NULL
) STRICT;

CREATE TABLE problem (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE,
  op TEXT NOT NULL, scheme TEXT NOT NULL, layout_group TEXT NOT NULL,
  ops REAL NOT NULL, arithmetic TEXT NOT NULL, read_bytes REAL NOT NULL, write_bytes REAL NOT NULL
) STRICT;

CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE job_item (
  job INTEGER NOT NULL REFERENCES job ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  problem INTEGER NOT NULL REFERENCES problem,
  label TEXT NOT NULL,
  weight REAL NOT NULL CHECK (weight >= 0),
  PRIMARY KEY (job, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE candidate (
  id INTEGER PRIMARY KEY,
  environment INTEGER NOT NULL REFERENCES environment,
  problem INTEGER NOT NULL REFERENCES problem,
  variant TEXT NOT NULL,
  ablated INTEGER NOT NULL CHECK (ablated IN (0, 1)),
  family TEXT NOT NULL, layout TEXT NOT NULL,
  point TEXT NOT NULL CHECK (json_valid(point)),
  published INTEGER NOT NULL CHECK (published IN (0, 1)),
  outcome TEXT NOT NULL CHECK (outcome IN ('ok', 'illegal', 'compile_failed', 'launch_failed', 'wrong', 'timeout')),
  reason TEXT NOT NULL CHECK (outcome = 'ok' OR reason <> ''),
  source TEXT NOT NULL CHECK (source IN ('none', 'measured', 'predicted', 'emulated')),
  median_us REAL CHECK (median_us IS NULL OR (median_us > 0 AND outcome = 'ok' AND source IN ('measured', 'predicted'))),
  noise REAL,
  samples_us TEXT NOT NULL CHECK (json_valid(samples_us)),
  speed_of_light_us REAL NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  verified_on TEXT NOT NULL, verify_problem TEXT NOT NULL, max_error REAL, seed INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (environment, problem, variant, ablated)
) STRICT;

CREATE TABLE kernel (
  id INTEGER PRIMARY KEY,
  digest TEXT NOT NULL, entry TEXT NOT NULL,
  registers INTEGER NOT NULL, static_shared_bytes INTEGER NOT NULL,
  spill_bytes INTEGER NOT NULL, local_bytes INTEGER NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  UNIQUE (digest, entry)
) STRICT;

CREATE TABLE launch (
  candidate INTEGER NOT NULL REFERENCES candidate ON DELETE CASCADE,
  ordinal INTEGER NOT NULL,
  kernel INTEGER NOT NULL REFERENCES kernel,
  dynamic_shared_bytes INTEGER NOT NULL, ctas INTEGER NOT NULL, threads INTEGER NOT NULL,
  PRIMARY KEY (candidate, ordinal)
) STRICT, WITHOUT ROWID;
)sql";

/// What measuring on real GPUs added. The environments of schema 1 keep their keys: see Environment::key().
constexpr const char* kMeasured = R"sql(
ALTER TABLE environment ADD COLUMN mig TEXT NOT NULL DEFAULT '';
ALTER TABLE environment ADD COLUMN cupti TEXT NOT NULL DEFAULT '';
ALTER TABLE candidate ADD COLUMN baseline INTEGER NOT NULL DEFAULT 0 CHECK (baseline IN (0, 1));

CREATE TABLE ceiling (
  id INTEGER PRIMARY KEY,
  environment INTEGER NOT NULL REFERENCES environment,
  name TEXT NOT NULL CHECK (name <> ''),
  value REAL NOT NULL CHECK (value > 0), unit TEXT NOT NULL,
  sheet_value REAL NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  created_at TEXT NOT NULL,
  UNIQUE (environment, name)
) STRICT;

CREATE TABLE race (
  id INTEGER PRIMARY KEY,
  environment INTEGER NOT NULL REFERENCES environment,
  problem INTEGER NOT NULL REFERENCES problem,
  winner TEXT NOT NULL, incumbent TEXT NOT NULL, reason TEXT NOT NULL,
  details TEXT NOT NULL CHECK (json_valid(details)),
  created_at TEXT NOT NULL,
  UNIQUE (environment, problem)
) STRICT;
)sql";

/// Which commands filled the database. Readers do without it: see kOldestRead.
constexpr const char* kRuns = R"sql(
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL, command TEXT NOT NULL,
  started_at TEXT NOT NULL
) STRICT;
)sql";

constexpr Migration kMigrations[] = {
    {1, kFirst},
    {2, kMeasured},
    {3, kRuns},
};

int pragma(SQLite::Database& database, const char* sql) { return database.execAndGet(sql).getInt(); }

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

int schema_version(SQLite::Database& database, const std::string& name, std::span<const Migration> steps) {
  const int application = pragma(database, "PRAGMA application_id");
  const int version = pragma(database, "PRAGMA user_version");
  const bool empty = application == 0 && version == 0 && pragma(database, "SELECT count(*) FROM sqlite_schema") == 0;
  if (empty) return 0;
  if (application != kApplicationId)
    bad_input("{}: is an SQLite database of another program, not one of qoqtune", name);
  const int known = steps.back().version;
  if (version > known) {
    bad_input("{}: was written by a newer qoqtune (schema {}, this one knows {}): use that version, or another file",
              name, version, known);
  }
  return version;
}

void migrate(SQLite::Database& database, const std::string& name, std::span<const Migration> steps) {
  SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
  const int version = schema_version(database, name, steps);
  if (version == steps.back().version) return;  // nothing to do: the transaction rolls back nothing
  for (const Migration& step : steps) {
    if (step.version > version) database.exec(step.sql);
  }
  database.exec(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, steps.back().version));
  transaction.commit();
}

}  // namespace qoq::store
