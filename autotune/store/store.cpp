#include "autotune/store/store.h"

#include <SQLiteCpp/Transaction.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>

#include "autotune/store/database.h"
#include "autotune/store/schema.h"
#include "kernels/base/error.h"

namespace qoq::store {

namespace fs = std::filesystem;

namespace {

constexpr int kBusyTimeoutMs = 5000;

SQLite::Database open_for_writing(const fs::path& path) {
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  if (error) fail("{}: its folder cannot be made: {}", path.string(), error.message());
  SQLite::Database database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, kBusyTimeoutMs);
  // SQLite opens a write-protected file for reading without a word.
  if (sqlite3_db_readonly(database.getHandle(), "main") == 1)
    fail("{}: is read-only, cannot be tuned into", path.string());
  return database;
}

/// A database on a read-only disk cannot have the side files of WAL; without a log it can be read as it is.
SQLite::Database open_unchanging(const fs::path& path) {
  std::string uri = "file:";
  for (const char c : fs::absolute(path).string()) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02x}", static_cast<int>(c));
    } else {
      uri += c;
    }
  }
  return SQLite::Database(uri + "?immutable=1", SQLite::OPEN_READONLY | SQLite::OPEN_URI, kBusyTimeoutMs);
}

SQLite::Database open_for_reading(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) bad_input("{}: no such database", path.string());
  SQLite::Database database(path.string(), SQLite::OPEN_READONLY, kBusyTimeoutMs);
  const int code = database.tryExec("SELECT count(*) FROM sqlite_schema");
  const fs::path log = path.string() + "-wal";
  const bool log_is_empty = !fs::exists(log, ignored) || fs::file_size(log, ignored) == 0;
  if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && log_is_empty) return open_unchanging(path);
  return database;
}

}  // namespace

void rethrow(const std::string& name, const SQLite::Exception& error) {
  switch (error.getErrorCode() & 0xff) {
    case SQLITE_FULL:
      fail("{}: the disk is full; every row committed before is kept", name);
    case SQLITE_READONLY:
      fail("{}: is read-only, cannot be written", name);
    case SQLITE_IOERR:
      fail("{}: the disk failed or is full ({}); every row committed before is kept", name, error.what());
    case SQLITE_CANTOPEN:
      fail("{}: cannot be opened ({}): {}", name, error.what(), std::strerror(errno));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      fail("{}: another program holds it locked", name);
    case SQLITE_NOTADB:
      bad_input("{}: is not an SQLite database", name);
    case SQLITE_CORRUPT:
      fail("{}: is damaged ({}): restore a copy, or tune into a new file", name, error.what());
    default:
      fail("{}: {}", name, error.what());
  }
}

Store Store::open(const fs::path& path, Mode mode) {
  const std::string name = path.string();
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) bad_input("{}: is a folder, expected a database file", name);
  return guarded(name, [&] {
    const bool writing = mode == Mode::ReadWrite;
    auto impl = std::make_unique<Impl>(path, writing ? open_for_writing(path) : open_for_reading(path));
    // Looked at before anything is written, the lock file included: it may be somebody else's file.
    const int version = schema_version(impl->database, name, migrations());
    if (!writing) {
      if (version == 0) bad_input("{}: is empty, holds nothing tuned yet", name);
      const int known = migrations().back().version;
      if (version < kOldestRead) {
        bad_input("{}: was written by an older qoqtune (schema {}, now {}): tune into it once to bring it up", name,
                  version, known);
      }
      return Store(std::move(impl));
    }
    impl->lock.emplace(path);
    impl->database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
    migrate(impl->database, name, migrations());
    impl->recorder.emplace(impl->database);
    return Store(std::move(impl));
  });
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

const fs::path& Store::path() const { return impl_->path; }

std::optional<int64_t> Store::Impl::find_problem(std::string_view text) {
  const std::string key(text);
  if (const auto found = problem_ids.find(key); found != problem_ids.end()) return found->second;
  SQLite::Statement query(database, "SELECT id FROM problem WHERE text = ?");
  query.bind(1, key);
  if (!query.executeStep()) return std::nullopt;
  return problem_ids[key] = query.getColumn(0).getInt64();
}

void Store::Impl::require_writer() const {
  if (!recorder) fail("{}: was opened for reading only", name);
}

std::string finished_key(std::string_view variant, bool ablated) {
  return fmt::format("{}{}", variant, ablated ? "+ablated" : "");
}

}  // namespace qoq::store
