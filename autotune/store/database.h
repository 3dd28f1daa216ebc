#pragma once
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "autotune/store/store.h"
#include "autotune/store/writer_lock.h"

namespace qoq::store {

/// Turns SQLite's error into the house's: one sentence that names the file and what to do.
[[noreturn]] void rethrow(const std::string& name, const SQLite::Exception& error);

template <class Body>
auto guarded(const std::string& name, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const SQLite::Exception& error) {
    rethrow(name, error);
  }
}

/// The statements a record() runs, prepared once.
struct Recorder {
  SQLite::Statement candidate, forget_launches, kernel, launch;
  explicit Recorder(SQLite::Database& database);
};

struct Store::Impl {
  std::filesystem::path path;
  std::string name;                ///< the path as text, for messages
  std::optional<WriterLock> lock;  ///< before the database: released after it is closed
  SQLite::Database database;
  std::optional<Recorder> recorder;                      ///< only when writing
  std::unordered_map<std::string, int64_t> problem_ids;  ///< what was looked up or added

  Impl(std::filesystem::path file, SQLite::Database opened)
      : path(std::move(file)), name(path.string()), database(std::move(opened)) {}

  /// A problem's row id; nothing when it is not in the database.
  std::optional<int64_t> find_problem(std::string_view text);
  /// Throws unless this Store was opened for writing.
  void require_writer() const;
  void write(int64_t environment, const Candidate& candidate);
};

}  // namespace qoq::store
