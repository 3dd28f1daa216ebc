#include "autotune/store/database.h"
#include "autotune/store/statement.h"
#include "kernels/base/error.h"

namespace qoq::store {

void Store::put_race(int64_t environment, const RaceRow& race) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    const auto problem = impl_->find_problem(race.problem);
    if (!problem) fail("{}: problem \"{}\" of a race is not in the database", impl_->name, race.problem);
    run(impl_->database,
        fmt::format("INSERT INTO race (environment, problem, winner, incumbent, reason, details, created_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, {}) ON CONFLICT (environment, problem) DO UPDATE SET "
                    "winner = excluded.winner, incumbent = excluded.incumbent, reason = excluded.reason, "
                    "details = excluded.details, created_at = excluded.created_at",
                    kNow),
        environment, *problem, race.winner, race.incumbent, race.reason, race.details);
  });
}

namespace {

constexpr const char* kRaces =
    "SELECT text, winner, incumbent, reason, details, created_at FROM race JOIN problem ON problem.id = race.problem "
    "WHERE environment = ?";

RaceRow race_row(SQLite::Statement& statement) {
  Row row(statement);
  RaceRow race;
  for (auto* field : {&race.problem, &race.winner, &race.incumbent, &race.reason, &race.details, &race.created_at})
    *field = row.text();
  return race;
}

}  // namespace

std::vector<RaceRow> Store::races(int64_t environment) const {
  return guarded(impl_->name, [&] {
    return read_all(impl_->database, fmt::format("{} ORDER BY race.id", kRaces), race_row, environment);
  });
}

std::optional<RaceRow> Store::race(int64_t environment, std::string_view problem) const {
  return guarded(impl_->name, [&]() -> std::optional<RaceRow> {
    const auto id = impl_->find_problem(problem);
    if (!id) return std::nullopt;
    auto found = read_all(impl_->database, fmt::format("{} AND race.problem = ?", kRaces), race_row, environment, *id);
    if (found.empty()) return std::nullopt;
    return std::move(found.front());
  });
}

}  // namespace qoq::store
