#pragma once
#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::store {

/// The time in SQL, UTC with milliseconds.
inline constexpr const char* kNow = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// Binds a statement's values from left to right, and leaves it ready for its next use, whatever happened in this one.
class Use {
 public:
  explicit Use(SQLite::Statement& statement) : statement_(statement) {}
  ~Use() { statement_.tryReset(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  template <class... T>
  Use& bind(const T&... values) {
    (put(values), ...);
    return *this;
  }
  int64_t id() {
    statement_.executeStep();
    const int64_t id = statement_.getColumn(0).getInt64();
    statement_.executeStep();  // to the end: RETURNING hands out its row before the statement is done
    return id;
  }
  void run() { statement_.exec(); }

 private:
  void put(const std::string& value) { statement_.bind(++index_, value); }
  void put(std::string_view value) { statement_.bind(++index_, std::string(value)); }
  void put(double value) { statement_.bind(++index_, value); }
  void put(int64_t value) { statement_.bind(++index_, value); }
  void put(int value) { statement_.bind(++index_, value); }
  void put(bool value) { statement_.bind(++index_, value ? 1 : 0); }
  void put(const std::optional<double>& value) { value ? put(*value) : statement_.bind(++index_); }

  SQLite::Statement& statement_;
  int index_ = 0;
};

template <class... T>
void run(SQLite::Database& database, const std::string& sql, const T&... values) {
  SQLite::Statement statement(database, sql);
  Use(statement).bind(values...).run();
}

/// Reads a row's columns from left to right.
class Row {
 public:
  explicit Row(SQLite::Statement& statement) : statement_(statement) {}
  std::string text() { return statement_.getColumn(index_++).getString(); }
  int64_t integer() { return statement_.getColumn(index_++).getInt64(); }
  int small() { return statement_.getColumn(index_++).getInt(); }
  bool flag() { return small() != 0; }
  double number() { return statement_.getColumn(index_++).getDouble(); }
  std::optional<double> maybe_number() {
    const SQLite::Column column = statement_.getColumn(index_++);
    return column.isNull() ? std::nullopt : std::optional(column.getDouble());
  }

 private:
  SQLite::Statement& statement_;
  int index_ = 0;
};

/// Every row of a query, each made by `read` from the statement that stands on it.
template <class Read, class... T>
auto read_all(SQLite::Database& database, const std::string& sql, Read read, const T&... values) {
  SQLite::Statement statement(database, sql);
  Use use(statement);
  use.bind(values...);
  std::vector<decltype(read(statement))> result;
  while (statement.executeStep()) result.push_back(read(statement));
  return result;
}

}  // namespace qoq::store
