#include <algorithm>
#include <map>
#include <tuple>

#include "autotune/compare/compare.h"
#include "kernels/base/error.h"

namespace qoq::compare {

using store::Environment;
using store::EnvironmentRow;

namespace {

/// What must agree for times to be compared.
std::string name_of(const Environment& environment) {
  std::string name = environment.product;
  if (!environment.mig.empty()) name += " MIG " + environment.mig;
  name += fmt::format(", {}, {}", environment.cache_mode, environment.launch_mode);
  if (!environment.predictor.empty()) name += " (simulated)";
  return name;
}

/// What both sides know of a name: the environments of it, newest first.
using Named = std::map<std::string, std::vector<EnvironmentRow>>;

Named named_environments(const store::Store& store, const std::string& target) {
  Named named;
  for (EnvironmentRow& row : store.environments()) {
    if (!target.empty() && row.environment.target != target) continue;
    named[name_of(row.environment)].push_back(std::move(row));
  }
  for (auto& [name, rows] : named) {
    std::ranges::sort(rows, std::greater{}, [](const EnvironmentRow& row) { return std::tuple(row.used_at, row.id); });
  }
  return named;
}

/// Whether an environment has anything to compare.
bool has_times(const store::Store& store, const EnvironmentRow& row) {
  return std::ranges::any_of(store.counts(row.id), [](const store::OutcomeCount& count) {
    const bool timed = count.source == store::Source::Measured || count.source == store::Source::Predicted;
    return count.outcome == store::Outcome::Ok && timed && !count.ablated && !count.baseline;
  });
}

bool any_times(const store::Store& store, const std::vector<EnvironmentRow>& rows) {
  return std::ranges::any_of(rows, [&](const EnvironmentRow& row) { return has_times(store, row); });
}

/// The newest that has anything to compare: a run that was stopped before its first time hides nothing.
const EnvironmentRow& newest_with_rows(const store::Store& store, const std::vector<EnvironmentRow>& rows) {
  const auto newest = std::ranges::find_if(rows, [&](const EnvironmentRow& row) { return has_times(store, row); });
  return newest == rows.end() ? rows.front() : *newest;
}

std::vector<Difference> differences(const Environment& before, const Environment& after) {
  const auto number = [](double value) { return value == 0 ? std::string() : fmt::format("{:g}", value); };
  const std::vector<Difference> all{
      {"target", before.target, after.target},
      {"GPU id", before.uuid, after.uuid},
      {"architecture", before.architecture, after.architecture},
      {"SMs", number(before.sm_count), number(after.sm_count)},
      {"power cap, W", number(before.power_cap_w), number(after.power_cap_w)},
      {"driver", before.driver, after.driver},
      {"CUPTI", before.cupti, after.cupti},
      {"compiler", before.compiler, after.compiler},
      {"kernels", before.kernels, after.kernels},
      {"predictor", before.predictor, after.predictor},
  };
  std::vector<Difference> result;
  for (const Difference& one : all) {
    if (one.before != one.after) result.push_back(one);
  }
  return result;
}

std::string list(const Named& named) {
  std::string text;
  for (const auto& [name, rows] : named) text += (text.empty() ? "" : "; ") + name;
  return text;
}

}  // namespace

std::vector<Match> match_environments(const store::Store& before, const store::Store& after, Comparison& comparison) {
  const std::string& target = comparison.settings.target;
  const Named old_ones = named_environments(before, target), new_ones = named_environments(after, target);
  std::vector<Match> matches;
  for (const auto& [name, rows] : old_ones) {
    const auto found = new_ones.find(name);
    if (found == new_ones.end()) {
      if (any_times(before, rows)) comparison.unmatched_before.push_back(name);
      continue;
    }
    Match match{newest_with_rows(before, rows), newest_with_rows(after, found->second), name, {}, {}, {}, {}};
    match.differences = differences(match.before.environment, match.after.environment);
    matches.push_back(std::move(match));
  }
  for (const auto& [name, rows] : new_ones) {
    if (!old_ones.contains(name) && any_times(after, rows)) comparison.unmatched_after.push_back(name);
  }
  if (matches.empty() && !old_ones.empty() && !new_ones.empty()) {
    bad_input("{} has rows of {}, {} of {}: only one product's times in the same cache and launch mode compare",
              before.path().string(), list(old_ones), after.path().string(), list(new_ones));
  }
  return matches;
}

}  // namespace qoq::compare
