#include "autotune/compare/compare.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "kernels/base/error.h"

namespace qoq::compare {

using store::Candidate;
using store::Source;

namespace {

Side side_of(const Candidate& row, const Settings& settings) {
  Side side{row.variant, row.source, *row.median_us, row.samples_us.size()};
  if (row.source != Source::Measured) return side;
  side.interval = median_interval(row.samples_us, settings.confidence);
  // One median for all that is said: a race may have left the row more samples than its first median had.
  if (side.interval) side.time_us = side.interval->middle;
  return side;
}

Verdict verdict_of(const Interval& ratio, double tie) {
  const double most = 1 + tie, least = 1 / most;
  if (ratio.low > most) return Verdict::Slower;
  if (ratio.high < least) return Verdict::Faster;
  if (ratio.low >= least && ratio.high <= most) return Verdict::Same;
  return Verdict::Unclear;
}

std::string too_few(const Side& side, const char* which, const Settings& settings) {
  const size_t least = least_samples(settings.confidence);
  if (side.samples < least) {
    return fmt::format("{} sample{} in {}, at least {} are needed", side.samples, side.samples == 1 ? "" : "s", which,
                       least);
  }
  return fmt::format("the {} samples in {} hang together in time", side.samples, which);
}

/// The best rows by problem; samples are needed of them alone.
std::vector<Candidate> best_rows(const store::Store& store, const store::EnvironmentRow& environment) {
  auto rows = store.best(environment.id);
  std::erase_if(rows, [](const Candidate& row) {
    return row.source != Source::Measured && row.source != Source::Predicted;  // emulated runs have no times
  });
  return rows;
}

void compare_rows(Match& match, const store::Store& before, const store::Store& after, const Settings& settings) {
  const std::vector<Candidate> old_rows = best_rows(before, match.before), new_rows = best_rows(after, match.after);
  std::unordered_map<std::string_view, const Candidate*> by_problem;
  for (const Candidate& row : new_rows) by_problem.emplace(row.problem, &row);
  for (const Candidate& row : old_rows) {
    const auto found = by_problem.find(row.problem);
    if (found == by_problem.end()) {
      match.only_before.push_back(row.problem);
    } else {
      match.rows.push_back(judge(row, *found->second, settings));
      by_problem.erase(found);
    }
  }
  for (const Candidate& row : new_rows) {
    if (by_problem.contains(row.problem)) match.only_after.push_back(row.problem);
  }
}

}  // namespace

std::string_view to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::Faster:
      return "faster";
    case Verdict::Slower:
      return "slower";
    case Verdict::Same:
      return "same";
    case Verdict::Unclear:
      return "unclear";
  }
  fail("unnamed verdict {}", static_cast<int>(verdict));
}

Row judge(const Candidate& before, const Candidate& after, const Settings& settings) {
  Row row{before.problem, side_of(before, settings), side_of(after, settings)};
  if (before.source != after.source) {
    row.reason = fmt::format("{} before, {} after: the two do not compare", store::to_text(before.source),
                             store::to_text(after.source));
    return row;
  }
  row.ratio = row.after.time_us / row.before.time_us;
  if (before.source == Source::Predicted) {
    row.verdict = verdict_of({*row.ratio, *row.ratio, *row.ratio}, settings.tie);
    return row;
  }
  for (const auto& [side, which] : {std::pair(&row.before, "A"), std::pair(&row.after, "B")}) {
    if (!side->interval) {
      row.reason = too_few(*side, which, settings);
      return row;
    }
  }
  row.ratio_range = ratio_interval(*row.before.interval, *row.after.interval);
  row.verdict = verdict_of(*row.ratio_range, settings.tie);
  if (row.verdict == Verdict::Unclear) row.reason = "too noisy for this tie";
  return row;
}

Comparison compare(const store::Store& before, const store::Store& after, const Settings& settings) {
  Comparison comparison;
  comparison.before = before.path().string();
  comparison.after = after.path().string();
  comparison.settings = settings;
  comparison.matches = match_environments(before, after, comparison);
  for (Match& match : comparison.matches) compare_rows(match, before, after, settings);
  return comparison;
}

size_t Comparison::count(Verdict verdict) const {
  size_t rows = 0;
  for (const Match& match : matches)
    rows += static_cast<size_t>(std::ranges::count(match.rows, verdict, &Row::verdict));
  return rows;
}

std::optional<double> Comparison::mean_ratio(Source source) const {
  double logarithms = 0;
  int ratios = 0;
  for (const Match& match : matches) {
    for (const Row& row : match.rows) {
      if (!row.ratio || row.before.source != source) continue;
      logarithms += std::log(*row.ratio);
      ++ratios;
    }
  }
  if (ratios == 0) return std::nullopt;
  return std::exp(logarithms / ratios);
}

size_t Comparison::gone() const {
  size_t problems = 0;
  for (const Match& match : matches) problems += match.only_before.size();
  return problems;
}

int Comparison::exit_code() const {
  if (count(Verdict::Slower) > 0) return 3;
  const bool compared = count(Verdict::Same) + count(Verdict::Faster) > 0;
  const bool unclear = count(Verdict::Unclear) > 0 || gone() > 0 || !unmatched_before.empty();
  return unclear || !compared ? 4 : 0;
}

}  // namespace qoq::compare
