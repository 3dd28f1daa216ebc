#include "autotune/select/usable.h"

#include <fmt/format.h>

#include <algorithm>

namespace qoq::select {

using store::Candidate;
using store::Source;

std::string Usable::refusals() const {
  std::vector<std::string> parts;
  if (emulated > 0) parts.push_back(fmt::format("{} emulated (those have no times)", emulated));
  if (unverified > 0) parts.push_back(fmt::format("{} never verified", unverified));
  if (untimed > 0) parts.push_back(fmt::format("{} without a time", untimed));
  return parts.empty() ? "" : fmt::format("refused rows: {}", fmt::join(parts, ", "));
}

Usable usable_rows(const store::Store& store, int64_t environment, std::string_view problem) {
  Usable usable;
  auto rows = store.candidates({.environment = environment,
                                .problem = std::string(problem),
                                .outcome = store::Outcome::Ok,
                                .ablated = false,
                                .baseline = false,
                                .samples = false,
                                .kernels = false,
                                .by_time = true});
  usable.ok = static_cast<int>(rows.size());
  for (const store::RaceRow& race : store.races(environment)) {
    if (race.problem == problem) usable.raced = race.winner;
  }
  for (Candidate& row : rows) {
    if (row.source == Source::Emulated) {
      ++usable.emulated;
    } else if (row.verified_on.empty()) {
      ++usable.unverified;
    } else if (!row.median_us) {
      ++usable.untimed;
    } else {
      usable.rows.push_back(std::move(row));
    }
  }
  return usable;
}

Source best_source(const std::vector<Candidate>& rows) {
  if (rows.empty()) return Source::None;
  const bool measured = std::any_of(rows.begin(), rows.end(), [](auto& row) { return row.source == Source::Measured; });
  return measured ? Source::Measured : Source::Predicted;
}

std::vector<Candidate> ranked(const Usable& usable, std::string_view layout, Source source) {
  std::vector<Candidate> result;
  for (const Candidate& row : usable.rows) {
    if (row.source == source && (layout.empty() || row.layout == layout)) result.push_back(row);
  }
  if (result.empty()) return result;
  const double tie_us = *result.front().median_us * kTie;
  const auto raced = std::ranges::find(result, usable.raced, &Candidate::variant);
  const auto published = std::ranges::find_if(result, [](const Candidate& row) { return row.published; });
  const bool tied = published != result.end() && *published->median_us < tie_us;
  const auto first = raced != result.end() ? raced : tied ? published : result.begin();
  std::rotate(result.begin(), first, first + 1);
  return result;
}

std::string describe(const store::Environment& environment) {
  std::string text = fmt::format("{} ({})", environment.target, environment.product);
  if (environment.power_cap_w > 0) text += fmt::format(", {:g} W", environment.power_cap_w);
  if (!environment.driver.empty()) text += ", driver " + environment.driver;
  text += fmt::format(", {}, {}", environment.cache_mode, environment.launch_mode);
  if (!environment.predictor.empty()) text += ", predicted by " + environment.predictor;
  return text;
}

Evidence evidence_of(const Candidate& row, const std::string& environment) {
  return {.problem = row.problem,
          .variant = row.variant,
          .layout = row.layout,
          .time_us = row.median_us.value_or(0),
          .source = row.source,
          .environment = environment,
          .verified_on = row.verified_on,
          .verify_problem = row.verify_problem,
          .details = row.details};
}

Choice exact_choice(const Candidate& row, const std::string& environment) {
  Choice choice;
  choice.problem = row.problem;
  choice.how = How::Exact;
  choice.variant = row.variant;
  choice.family = row.family;
  choice.layout = row.layout;
  choice.expected_us = row.median_us;
  choice.source = row.source;
  choice.note = source_note(row.source);
  choice.evidence = {evidence_of(row, environment)};
  return choice;
}

std::string_view source_note(Source source) {
  return source == Source::Predicted ? "only predicted: no GPU has measured it" : "";
}

}  // namespace qoq::select
