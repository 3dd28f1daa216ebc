#include <cmath>

#include "autotune/store/database.h"
#include "autotune/store/statement.h"
#include "kernels/base/error.h"

namespace qoq::store {

void Store::put_ceiling(int64_t environment, const CeilingRow& ceiling) {
  impl_->require_writer();
  if (!std::isfinite(ceiling.value) || ceiling.value <= 0 || ceiling.name.empty())
    fail("ceiling \"{}\" cannot be recorded: {} {} is no rate", ceiling.name, ceiling.value, ceiling.unit);
  guarded(impl_->name, [&] {
    run(impl_->database,
        fmt::format("INSERT INTO ceiling (environment, name, value, unit, sheet_value, details, created_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, {}) ON CONFLICT (environment, name) DO UPDATE SET "
                    "value = excluded.value, unit = excluded.unit, sheet_value = excluded.sheet_value, "
                    "details = excluded.details, created_at = excluded.created_at",
                    kNow),
        environment, ceiling.name, ceiling.value, ceiling.unit, ceiling.sheet_value, ceiling.details);
  });
}

std::vector<CeilingRow> Store::ceilings(int64_t environment) const {
  return guarded(impl_->name, [&] {
    return read_all(
        impl_->database,
        "SELECT name, value, unit, sheet_value, details, created_at FROM ceiling WHERE environment = ? ORDER BY id",
        [](SQLite::Statement& statement) {
          Row row(statement);
          CeilingRow ceiling;
          ceiling.name = row.text();
          ceiling.value = row.number();
          ceiling.unit = row.text();
          ceiling.sheet_value = row.number();
          ceiling.details = row.text();
          ceiling.created_at = row.text();
          return ceiling;
        },
        environment);
  });
}

}  // namespace qoq::store
