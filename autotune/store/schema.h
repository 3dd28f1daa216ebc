#pragma once
#include <SQLiteCpp/Database.h>

#include <span>
#include <string>

namespace qoq::store {

/// "qoqt": what PRAGMA application_id says of our files.
inline constexpr int kApplicationId = 0x716f7174;

/// The oldest schema that can be read without a migration: later steps only added tables that may be missing.
inline constexpr int kOldestRead = 2;

/// One step of the schema: the SQL that leads from the version before it (0: an empty file) to `version`.
struct Migration {
  int version;
  const char* sql;
};

/// Every step, oldest first; the last one's version is what this program writes. A change of the schema is one more
/// line.
std::span<const Migration> migrations();

/// Whether the open file is empty, ours, or neither, and its schema version.
/// Throws Fault::Input when it is another program's file, or of a newer schema than the last of `steps`.
int schema_version(SQLite::Database& database, const std::string& name, std::span<const Migration> steps);

/// Brings the schema to the last step in one transaction: all steps or none.
void migrate(SQLite::Database& database, const std::string& name, std::span<const Migration> steps);

}  // namespace qoq::store
