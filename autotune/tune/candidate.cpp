#include "autotune/tune/candidate.h"

#include <nlohmann/json.hpp>

#include "roofline/model/model.h"

namespace qoq::tune {

using store::Candidate;
using store::Outcome;

Candidate new_candidate(const Target& target, const Family& family, const Problem& problem, const Point& point,
                        const std::optional<Point>& published) {
  Candidate row;
  row.problem = problem.text();
  row.family = family.name();
  row.variant = family.variant(point, problem);
  row.layout = family.layout(point, problem);
  row.point = nlohmann::json(point).dump();
  row.published = published && *published == point;
  if (target.sheet) row.speed_of_light_us = roofline::speed_of_light_us(*target.sheet, family.work(problem));
  return row;
}

std::vector<store::KernelRow> kernel_rows(const Target& target, const Built& b) {
  std::vector<store::KernelRow> rows;
  for (const Launch& launch : b.family->plan(b.point, b.problem, target.device).launches) {
    const auto found = b.build.entries.find(launch.entry);
    const compile::EntryResources resources =
        found == b.build.entries.end() ? compile::EntryResources{} : found->second;
    store::KernelRow row;
    row.digest = b.build.key;
    row.entry = launch.entry;
    row.registers = resources.registers;
    row.static_shared_bytes = resources.static_shared_bytes;
    row.spill_bytes = resources.spill_store_bytes + resources.spill_load_bytes;
    row.local_bytes = resources.stack_bytes;
    row.dynamic_shared_bytes = launch.shared_bytes;
    row.ctas = static_cast<int64_t>(launch.grid.count());
    row.threads = static_cast<int>(launch.block.count());
    rows.push_back(row);
  }
  return rows;
}

std::string refusal(const compile::Build& build) {
  if (!build.ok) {
    const size_t error = build.log.find("error");  // warnings, and what was wrong with the cache, come before
    const size_t before = error == std::string::npos ? error : build.log.rfind('\n', error);
    const size_t begin = before == std::string::npos ? 0 : before + 1;
    return "the compiler refused it: " + build.log.substr(begin, build.log.find('\n', begin) - begin);
  }
  for (const auto& [entry, resources] : build.entries) {
    if (resources.spill_store_bytes + resources.spill_load_bytes > 0) return "spills registers to local memory";
  }
  return "";
}

void put_verdict(Candidate& row, const verify::Verdict& verdict) {
  row.verified_on = verdict.where;
  row.verify_problem = verdict.problem.text();
  row.max_error = verdict.max_error;
  row.seed = verdict.seed;
  row.reason = verdict.message;
  switch (verdict.status) {
    case verify::Verdict::Status::Ok:
      row.outcome = Outcome::Ok;
      break;
    case verify::Verdict::Status::Wrong:
      row.outcome = Outcome::Wrong;
      break;
    case verify::Verdict::Status::LaunchFailed:
      row.outcome = Outcome::LaunchFailed;
      break;
    case verify::Verdict::Status::Timeout:
      row.outcome = Outcome::Timeout;
      break;
  }
}

void put_timing(Candidate& row, const Timing& timing) {
  if (!timing.failure.empty()) {
    row.outcome = timing.timed_out ? Outcome::Timeout : Outcome::LaunchFailed;
    row.reason = timing.failure;
    return;
  }
  row.source = timing.source;
  row.median_us = timing.median_us;
  if (timing.source == store::Source::Measured) row.noise = timing.relative_iqr;
  row.samples_us = timing.samples_us;
  row.details = timing.details;
}

void put_prediction(Candidate& row, double predicted_us) {
  auto details = nlohmann::ordered_json::parse(row.details);
  details["predicted"]["median_us"] = predicted_us;
  row.details = details.dump();
}

}  // namespace qoq::tune
