#include "autotune/report/progress.h"

#include <algorithm>

namespace qoq::report {

double Progress::share_after(int64_t evaluation) const {
  if (steps.empty()) return 0;
  const auto after = std::ranges::upper_bound(steps, evaluation, {}, &Step::evaluation);
  return after == steps.begin() ? 0 : steps.back().best_us / std::prev(after)->best_us;
}

int64_t Progress::reached(double slack) const {
  if (steps.empty()) return 0;
  const double enough = steps.back().best_us * (1 + slack);
  return std::ranges::find_if(steps, [&](const Step& step) { return step.best_us <= enough; })->evaluation;
}

Progress track_progress(std::span<const store::Candidate* const> rows, store::Source source) {
  Progress progress;
  for (const store::Candidate* row : rows) {
    if (row->ablated || row->baseline) continue;
    ++progress.evaluations;
    if (row->outcome != store::Outcome::Ok) ++progress.failed;
    if (progress.begun_at.empty() || row->created_at < progress.begun_at) progress.begun_at = row->created_at;
    progress.ended_at = std::max(progress.ended_at, row->created_at);
    if (!row->median_us || row->source != source || row->verified_on.empty()) continue;
    if (progress.steps.empty() || *row->median_us < progress.steps.back().best_us)
      progress.steps.push_back({progress.evaluations, *row->median_us});
  }
  return progress;
}

}  // namespace qoq::report
