#pragma once
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/job/job.h"
#include "autotune/search/strategy.h"
#include "autotune/store/store.h"
#include "autotune/tune/progress.h"
#include "autotune/tune/workshop.h"

namespace qoq::tune {

/// Tunes every problem of the job on every target: asks the strategy, leaves out what the database has, refuses,
/// compiles, proves, times, and records each candidate at once. The published point of each problem is always among
/// them. On an attached GPU each problem ends with the finalists' race and the baselines, the run with the counters
/// (Workshop::extras; finish.h). A stop leaves the database as good as it is; the next run goes on from there.
Summary tune(const job::Job& job, std::vector<Workshop>& workshops, store::Store& store,
             const search::Settings& settings, Progress& progress, std::stop_token stop,
             const job::Families& families = qoq::families());

/// Candidates that tune() will ask for, where that can be counted quickly; else 0. With a budget it may be one too many
/// a problem, since the published point may or may not be drawn.
uint64_t expected_candidates(const job::Job& job, size_t targets, const search::Settings& settings,
                             const job::Families& families = qoq::families());

/// The points of a family for a problem's scheme, as the job restricts them.
search::Space space_of(const job::Job& job, const Family& family, const Problem& problem);

}  // namespace qoq::tune
