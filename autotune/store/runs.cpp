#include "autotune/store/database.h"
#include "autotune/store/statement.h"
#include "kernels/base/error.h"

namespace qoq::store {

void Store::add_run(const std::string& job, const std::string& command) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    run(impl_->database, fmt::format("INSERT INTO run (job, command, started_at) VALUES (?, ?, {})", kNow), job,
        command);
  });
}

std::vector<RunRow> Store::runs() const {
  return guarded(impl_->name, [&] {
    const bool kept = impl_->database.tableExists("run");
    if (!kept) return std::vector<RunRow>{};
    return read_all(impl_->database, "SELECT job, command, started_at FROM run ORDER BY id",
                    [](SQLite::Statement& statement) {
                      Row row(statement);
                      RunRow result;
                      for (auto* field : {&result.job, &result.command, &result.started_at}) *field = row.text();
                      return result;
                    });
  });
}

}  // namespace qoq::store
