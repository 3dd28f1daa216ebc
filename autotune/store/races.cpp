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

std::vector<RaceRow> Store::races(int64_t environment) const {
  return guarded(impl_->name, [&] {
    return read_all(
        impl_->database,
        "SELECT text, winner, incumbent, reason, details, created_at FROM race JOIN problem ON problem.id = "
        "race.problem WHERE environment = ? ORDER BY race.id",
        [](SQLite::Statement& statement) {
          Row row(statement);
          RaceRow race;
          for (auto* field :
               {&race.problem, &race.winner, &race.incumbent, &race.reason, &race.details, &race.created_at}) {
            *field = row.text();
          }
          return race;
        },
        environment);
  });
}

}  // namespace qoq::store
