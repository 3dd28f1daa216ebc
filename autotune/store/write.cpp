#include <SQLiteCpp/Transaction.h>

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>

#include "autotune/store/database.h"
#include "autotune/store/statement.h"
#include "kernels/base/error.h"

namespace qoq::store {
namespace {

/// A row that contradicts itself never reaches the file; the caller made it so.
void check(const Candidate& candidate) {
  const auto refuse = [&](std::string_view why) {
    fail("candidate {} of \"{}\" cannot be recorded: {}", candidate.variant, candidate.problem, why);
  };
  if (candidate.variant.empty()) refuse("it has no variant");
  if (candidate.outcome != Outcome::Ok && candidate.reason.empty()) refuse("it failed without a reason");
  if (candidate.source == Source::Emulated && (candidate.median_us || !candidate.samples_us.empty())) {
    refuse("emulated runs have no times");
  }
  if (candidate.median_us) {
    if (candidate.outcome != Outcome::Ok) refuse("it has a time but did not end ok");
    if (candidate.source == Source::None) refuse("its time has no source");
    if (!std::isfinite(*candidate.median_us) || *candidate.median_us <= 0) refuse("its time is not a positive number");
  }
  for (const double sample : candidate.samples_us) {
    if (!std::isfinite(sample)) refuse("a sample is not a number");
  }
}

}  // namespace

Recorder::Recorder(SQLite::Database& database)
    : candidate(
          database,
          std::string("INSERT INTO candidate (environment, problem, variant, ablated, family, layout, point, "
                      "published, baseline, outcome, reason, source, median_us, noise, samples_us, speed_of_light_us, "
                      "details, verified_on, verify_problem, max_error, seed, created_at) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ") +
              kNow +
              ") ON CONFLICT (environment, problem, variant, ablated) DO UPDATE SET "
              "family = excluded.family, layout = excluded.layout, point = excluded.point, "
              "published = excluded.published, baseline = excluded.baseline, outcome = excluded.outcome, reason = "
              "excluded.reason, "
              "source = excluded.source, median_us = excluded.median_us, noise = excluded.noise, "
              "samples_us = excluded.samples_us, speed_of_light_us = excluded.speed_of_light_us, "
              "details = excluded.details, verified_on = excluded.verified_on, "
              "verify_problem = excluded.verify_problem, max_error = excluded.max_error, seed = excluded.seed, "
              "created_at = excluded.created_at RETURNING id"),
      forget_launches(database, "DELETE FROM launch WHERE candidate = ?"),
      kernel(database,
             "INSERT INTO kernel (digest, entry, registers, static_shared_bytes, spill_bytes, local_bytes, details) "
             "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest, entry) DO UPDATE SET "
             "registers = excluded.registers, static_shared_bytes = excluded.static_shared_bytes, "
             "spill_bytes = excluded.spill_bytes, local_bytes = excluded.local_bytes, details = excluded.details "
             "RETURNING id"),
      launch(database,
             "INSERT INTO launch (candidate, ordinal, kernel, dynamic_shared_bytes, ctas, threads) "
             "VALUES (?, ?, ?, ?, ?, ?)") {}

void Store::Impl::write(int64_t environment, const Candidate& candidate) {
  check(candidate);
  const auto problem = find_problem(candidate.problem);
  if (!problem) fail("{}: problem \"{}\" is not in the database", name, candidate.problem);
  const int64_t id =
      Use(recorder->candidate)
          .bind(environment, *problem, candidate.variant, candidate.ablated, candidate.family, candidate.layout,
                candidate.point, candidate.published, candidate.baseline, to_text(candidate.outcome), candidate.reason,
                to_text(candidate.source), candidate.median_us, candidate.noise,
                fmt::format("[{}]", fmt::join(candidate.samples_us, ",")), candidate.speed_of_light_us,
                candidate.details, candidate.verified_on, candidate.verify_problem, candidate.max_error,
                std::bit_cast<int64_t>(candidate.seed))
          .id();
  Use(recorder->forget_launches).bind(id).run();
  int ordinal = 0;
  for (const KernelRow& row : candidate.kernels) {
    const int64_t kernel = Use(recorder->kernel)
                               .bind(row.digest, row.entry, row.registers, row.static_shared_bytes, row.spill_bytes,
                                     row.local_bytes, row.details)
                               .id();
    Use(recorder->launch).bind(id, ordinal++, kernel, row.dynamic_shared_bytes, row.ctas, row.threads).run();
  }
}

int64_t Store::environment(const Environment& environment) {
  impl_->require_writer();
  return guarded(impl_->name, [&] {
    SQLite::Statement statement(
        impl_->database,
        fmt::format("INSERT INTO environment (key, target, product, uuid, architecture, sm_count, power_cap_w, driver, "
                    "mig, cupti, compiler, kernels, cache_mode, launch_mode, predictor, created_at, used_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, {0}, {0}) "
                    "ON CONFLICT (key) DO UPDATE SET used_at = excluded.used_at RETURNING id",
                    kNow));
    return Use(statement)
        .bind(environment.key(), environment.target, environment.product, environment.uuid, environment.architecture,
              environment.sm_count, environment.power_cap_w, environment.driver, environment.mig, environment.cupti,
              environment.compiler, environment.kernels, environment.cache_mode, environment.launch_mode,
              environment.predictor)
        .id();
  });
}

void Store::put_gpu(int64_t environment, const GpuRow& gpu) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    run(impl_->database, "UPDATE environment SET gpu = ?, ceilings = ? WHERE id = ?", gpu.name, gpu.ceilings,
        environment);
    if (impl_->database.getChanges() != 1) fail("{}: has no environment {}", impl_->name, environment);
  });
}

void Store::put_problem(const ProblemRow& problem) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    run(impl_->database,
        "INSERT INTO problem (text, op, scheme, layout_group, ops, arithmetic, read_bytes, write_bytes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (text) DO UPDATE SET op = excluded.op, "
        "scheme = excluded.scheme, layout_group = excluded.layout_group, ops = excluded.ops, "
        "arithmetic = excluded.arithmetic, read_bytes = excluded.read_bytes, write_bytes = excluded.write_bytes",
        problem.text, problem.op, problem.scheme, problem.layout_group, problem.ops, problem.arithmetic,
        problem.read_bytes, problem.write_bytes);
  });
}

void Store::put_job(const JobRow& job) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    SQLite::Transaction transaction(impl_->database, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement statement(impl_->database,
                                fmt::format("INSERT INTO job (name, text, created_at) VALUES (?, ?, {}) "
                                            "ON CONFLICT (name) DO UPDATE SET text = excluded.text, "
                                            "created_at = excluded.created_at RETURNING id",
                                            kNow));
    const int64_t id = Use(statement).bind(job.name, job.text).id();
    run(impl_->database, "DELETE FROM job_item WHERE job = ?", id);
    int ordinal = 0;
    for (const JobItem& item : job.items) {
      const auto problem = impl_->find_problem(item.problem);
      if (!problem) fail("{}: problem \"{}\" of job {} is not in the database", impl_->name, item.problem, job.name);
      run(impl_->database, "INSERT INTO job_item (job, ordinal, problem, label, weight) VALUES (?, ?, ?, ?, ?)", id,
          ordinal++, *problem, item.label, item.weight);
    }
    transaction.commit();
  });
}

void Store::record(int64_t environment, const Candidate& candidate) { record(environment, std::span(&candidate, 1)); }

void Store::record(int64_t environment, std::span<const Candidate> candidates) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    SQLite::Transaction transaction(impl_->database, SQLite::TransactionBehavior::IMMEDIATE);
    for (const Candidate& candidate : candidates) impl_->write(environment, candidate);
    transaction.commit();
  });
}

void Store::add_details(int64_t environment, std::string_view problem, std::string_view variant, bool ablated,
                        std::string_view object) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    const auto added = nlohmann::json::parse(object, nullptr, false);
    if (!added.is_object()) fail("details to add to {} of \"{}\" are not a json object: {}", variant, problem, object);
    SQLite::Transaction transaction(impl_->database, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement query(impl_->database,
                            "SELECT candidate.id, details FROM candidate JOIN problem ON problem.id = "
                            "candidate.problem WHERE environment = ? AND text = ? AND variant = ? AND ablated = ?");
    Use(query).bind(environment, problem, variant, ablated);
    if (!query.executeStep()) {
      fail("{}: has no candidate {}{} of \"{}\" in environment {} to add details to", impl_->name, variant,
           ablated ? " (ablated)" : "", problem, environment);
    }
    Row row(query);
    const int64_t id = row.integer();
    auto details = nlohmann::json::parse(row.text());
    details.update(added);
    query.reset();
    run(impl_->database, "UPDATE candidate SET details = ? WHERE id = ?", details.dump(), id);
    transaction.commit();
  });
}

void Store::forget_baselines(int64_t environment, std::string_view problem) {
  impl_->require_writer();
  guarded(impl_->name, [&] {
    run(impl_->database,
        "DELETE FROM candidate WHERE environment = ? AND baseline = 1 AND "
        "problem = (SELECT id FROM problem WHERE text = ?)",
        environment, problem);
  });
}

}  // namespace qoq::store
