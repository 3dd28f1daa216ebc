#include <SQLiteCpp/Transaction.h>

#include <bit>
#include <limits>
#include <nlohmann/json.hpp>

#include "autotune/store/database.h"
#include "autotune/store/statement.h"
#include "kernels/base/error.h"

namespace qoq::store {
namespace {

constexpr const char* kEnvironmentColumns =
    "id, target, product, uuid, architecture, sm_count, power_cap_w, driver, mig, cupti, compiler, kernels, "
    "cache_mode, launch_mode, predictor, gpu, ceilings, created_at, used_at";

EnvironmentRow environment_row(SQLite::Statement& statement) {
  Row row(statement);
  EnvironmentRow result;
  result.id = row.integer();
  Environment& e = result.environment;
  for (auto* field : {&e.target, &e.product, &e.uuid, &e.architecture}) *field = row.text();
  e.sm_count = row.small();
  e.power_cap_w = row.number();
  for (auto* field : {&e.driver, &e.mig, &e.cupti, &e.compiler, &e.kernels, &e.cache_mode, &e.launch_mode, &e.predictor,
                      &result.gpu.name, &result.gpu.ceilings, &result.created_at, &result.used_at}) {
    *field = row.text();
  }
  return result;
}

constexpr const char* kProblemColumns = "text, op, scheme, layout_group, ops, arithmetic, read_bytes, write_bytes";

ProblemRow problem_row(SQLite::Statement& statement) {
  Row row(statement);
  ProblemRow result;
  for (auto* field : {&result.text, &result.op, &result.scheme, &result.layout_group}) *field = row.text();
  result.ops = row.number();
  result.arithmetic = row.text();
  result.read_bytes = row.number();
  result.write_bytes = row.number();
  return result;
}

constexpr const char* kCandidateColumns =
    "candidate.id, problem.text, family, variant, layout, point, ablated, published, baseline, outcome, reason, "
    "source, "
    "median_us, noise, speed_of_light_us, details, verified_on, verify_problem, max_error, seed, "
    "candidate.created_at, samples_us";

/// Fills all but the kernels; the candidate's row id. The samples' text is only parsed when asked for.
int64_t candidate_row(SQLite::Statement& statement, bool samples, Candidate& result) {
  Row row(statement);
  const int64_t id = row.integer();
  for (auto* field : {&result.problem, &result.family, &result.variant, &result.layout, &result.point}) {
    *field = row.text();
  }
  result.ablated = row.flag();
  result.published = row.flag();
  result.baseline = row.flag();
  result.outcome = outcome_from_text(row.text());
  result.reason = row.text();
  result.source = source_from_text(row.text());
  result.median_us = row.maybe_number();
  result.noise = row.maybe_number();
  result.speed_of_light_us = row.number();
  for (auto* field : {&result.details, &result.verified_on, &result.verify_problem}) *field = row.text();
  // SQLite keeps a NaN as NULL.
  result.max_error = row.maybe_number().value_or(std::numeric_limits<double>::quiet_NaN());
  result.seed = std::bit_cast<uint64_t>(row.integer());
  result.created_at = row.text();
  if (samples) result.samples_us = nlohmann::json::parse(row.text()).get<std::vector<double>>();
  return id;
}

constexpr const char* kLaunches =
    "SELECT digest, entry, registers, static_shared_bytes, spill_bytes, local_bytes, details, dynamic_shared_bytes, "
    "ctas, threads FROM launch JOIN kernel ON kernel.id = launch.kernel WHERE candidate = ? ORDER BY ordinal";

std::vector<KernelRow> launches_of(SQLite::Statement& statement, int64_t candidate) {
  std::vector<KernelRow> result;
  statement.bind(1, candidate);
  while (statement.executeStep()) {
    Row row(statement);
    KernelRow& kernel = result.emplace_back();
    kernel.digest = row.text();
    kernel.entry = row.text();
    kernel.registers = row.small();
    kernel.static_shared_bytes = row.integer();
    kernel.spill_bytes = row.integer();
    kernel.local_bytes = row.integer();
    kernel.details = row.text();
    kernel.dynamic_shared_bytes = row.integer();
    kernel.ctas = row.integer();
    kernel.threads = row.small();
  }
  statement.reset();
  return result;
}

std::vector<Candidate> read_candidates(SQLite::Database& database, SQLite::Statement& statement, bool samples,
                                       bool kernels) {
  std::vector<Candidate> result;
  SQLite::Statement launches(database, kLaunches);
  while (statement.executeStep()) {
    Candidate& candidate = result.emplace_back();
    const int64_t id = candidate_row(statement, samples, candidate);
    if (kernels) candidate.kernels = launches_of(launches, id);
  }
  return result;
}

}  // namespace

std::unordered_set<std::string> Store::finished(int64_t environment, std::string_view problem) const {
  return guarded(impl_->name, [&] {
    std::unordered_set<std::string> result;
    const auto id = impl_->find_problem(problem);
    if (!id) return result;
    SQLite::Statement statement(impl_->database,
                                "SELECT variant, ablated FROM candidate WHERE environment = ? AND problem = ?");
    statement.bind(1, environment);
    statement.bind(2, *id);
    while (statement.executeStep()) {
      result.insert(finished_key(statement.getColumn(0).getText(), statement.getColumn(1).getInt() != 0));
    }
    return result;
  });
}

std::vector<EnvironmentRow> Store::environments() const {
  return guarded(impl_->name, [&] {
    return read_all(impl_->database, fmt::format("SELECT {} FROM environment ORDER BY id", kEnvironmentColumns),
                    environment_row);
  });
}

std::optional<EnvironmentRow> Store::latest_environment(std::string_view target) const {
  return guarded(impl_->name, [&]() -> std::optional<EnvironmentRow> {
    SQLite::Statement statement(
        impl_->database,
        fmt::format("SELECT {} FROM environment WHERE target = ? ORDER BY used_at DESC, id DESC", kEnvironmentColumns));
    statement.bind(1, std::string(target));
    if (!statement.executeStep()) return std::nullopt;
    return environment_row(statement);
  });
}

std::vector<ProblemRow> Store::problems() const {
  return guarded(impl_->name, [&] {
    return read_all(impl_->database, fmt::format("SELECT {} FROM problem ORDER BY id", kProblemColumns), problem_row);
  });
}

std::optional<ProblemRow> Store::problem(std::string_view text) const {
  return guarded(impl_->name, [&]() -> std::optional<ProblemRow> {
    SQLite::Statement statement(impl_->database, fmt::format("SELECT {} FROM problem WHERE text = ?", kProblemColumns));
    statement.bind(1, std::string(text));
    if (!statement.executeStep()) return std::nullopt;
    return problem_row(statement);
  });
}

std::vector<JobRow> Store::jobs() const {
  return guarded(impl_->name, [&] {
    // One snapshot: a job and its items must belong together while a tuner writes.
    SQLite::Transaction snapshot(impl_->database);
    std::vector<int64_t> ids;
    auto jobs =
        read_all(impl_->database, "SELECT id, name, text, created_at FROM job ORDER BY id", [&](auto& statement) {
          Row row(statement);
          ids.push_back(row.integer());
          JobRow job;
          for (auto* field : {&job.name, &job.text, &job.created_at}) *field = row.text();
          return job;
        });
    SQLite::Statement items(impl_->database,
                            "SELECT problem.text, label, weight FROM job_item JOIN problem ON problem.id = "
                            "job_item.problem WHERE job = ? ORDER BY ordinal");
    for (size_t i = 0; i < jobs.size(); ++i) {
      items.bind(1, ids[i]);
      while (items.executeStep()) {
        Row row(items);
        JobItem& item = jobs[i].items.emplace_back();
        item.problem = row.text();
        item.label = row.text();
        item.weight = row.number();
      }
      items.reset();
    }
    return jobs;
  });
}

std::optional<JobRow> Store::job(std::string_view name) const {
  for (JobRow& job : jobs()) {
    if (job.name == name) return std::move(job);
  }
  return std::nullopt;
}

std::vector<Candidate> Store::candidates(const Filter& filter) const {
  return guarded(impl_->name, [&] {
    std::string sql = fmt::format("SELECT {} FROM candidate JOIN problem ON problem.id = candidate.problem WHERE 1",
                                  kCandidateColumns);
    if (filter.environment) sql += " AND candidate.environment = :environment";
    if (filter.problem) sql += " AND problem.text = :problem";
    if (filter.outcome) sql += " AND outcome = :outcome";
    if (filter.ablated) sql += " AND ablated = :ablated";
    if (filter.baseline) sql += " AND baseline = :baseline";
    if (filter.timed) sql += " AND median_us IS NOT NULL";
    sql += filter.by_time ? " ORDER BY median_us NULLS LAST, variant, ablated" : " ORDER BY candidate.id";
    sql += " LIMIT :limit";
    SQLite::Transaction snapshot(impl_->database);
    SQLite::Statement statement(impl_->database, sql);
    if (filter.environment) statement.bind(":environment", *filter.environment);
    if (filter.problem) statement.bind(":problem", *filter.problem);
    if (filter.outcome) statement.bind(":outcome", std::string(to_text(*filter.outcome)));
    if (filter.ablated) statement.bind(":ablated", *filter.ablated ? 1 : 0);
    if (filter.baseline) statement.bind(":baseline", *filter.baseline ? 1 : 0);
    statement.bind(":limit", filter.limit);
    return read_candidates(impl_->database, statement, filter.samples, filter.kernels);
  });
}

std::vector<std::string> Store::tuned_problems(int64_t environment) const {
  return guarded(impl_->name, [&] {
    SQLite::Statement statement(
        impl_->database,
        "SELECT text FROM problem WHERE EXISTS (SELECT 1 FROM candidate WHERE environment = ? AND "
        "problem = problem.id AND baseline = 0) ORDER BY id");
    statement.bind(1, environment);
    std::vector<std::string> result;
    while (statement.executeStep()) result.push_back(statement.getColumn(0).getString());
    return result;
  });
}

std::vector<Candidate> Store::best(int64_t environment) const {
  return guarded(impl_->name, [&] {
    SQLite::Transaction snapshot(impl_->database);
    // A measured time is never beaten by a predicted one, nor a race's winner by a median: within a race the rows met
    // under the same conditions.
    SQLite::Statement statement(
        impl_->database,
        fmt::format("SELECT {} FROM candidate JOIN problem ON problem.id = candidate.problem WHERE candidate.id IN "
                    "(SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY problem ORDER BY "
                    "source = 'measured' DESC, variant IS (SELECT winner FROM race WHERE race.environment = "
                    "candidate.environment AND race.problem = candidate.problem) DESC, median_us, variant) AS place "
                    "FROM candidate WHERE environment = ? AND "
                    "outcome = 'ok' AND ablated = 0 AND baseline = 0 AND verified_on <> '' AND median_us IS NOT NULL) "
                    "WHERE place = 1) "
                    "ORDER BY problem.id",
                    kCandidateColumns));
    statement.bind(1, environment);
    return read_candidates(impl_->database, statement, true, true);
  });
}

std::vector<FailureCount> Store::failures(int64_t environment) const {
  return guarded(impl_->name, [&] {
    // With min() in the list, SQLite takes the bare columns from the row that holds the minimum: the first example.
    SQLite::Statement statement(
        impl_->database,
        "SELECT outcome, reason, count(*) AS n, min(candidate.id), text, variant FROM candidate JOIN problem ON "
        "problem.id = candidate.problem WHERE environment = ? AND outcome <> 'ok' GROUP BY outcome, reason "
        "ORDER BY n DESC, outcome, reason");
    statement.bind(1, environment);
    std::vector<FailureCount> result;
    while (statement.executeStep()) {
      result.push_back({outcome_from_text(statement.getColumn(0).getText()), statement.getColumn(1).getString(),
                        statement.getColumn(2).getInt64(), statement.getColumn(4).getString(),
                        statement.getColumn(5).getString()});
    }
    return result;
  });
}

std::vector<OutcomeCount> Store::counts(int64_t environment) const {
  return guarded(impl_->name, [&] {
    return read_all(
        impl_->database,
        "SELECT outcome, ablated, baseline, source, count(*) FROM candidate WHERE environment = ? "
        "GROUP BY outcome, ablated, baseline, source ORDER BY outcome, ablated, baseline, source",
        [](SQLite::Statement& statement) {
          Row row(statement);
          OutcomeCount count;
          count.outcome = outcome_from_text(row.text());
          count.ablated = row.flag();
          count.baseline = row.flag();
          count.source = source_from_text(row.text());
          count.count = row.integer();
          return count;
        },
        environment);
  });
}

}  // namespace qoq::store
