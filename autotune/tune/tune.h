#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/compile/compiler.h"
#include "autotune/job/job.h"
#include "autotune/search/strategy.h"
#include "autotune/store/store.h"
#include "autotune/tune/progress.h"
#include "autotune/tune/proof.h"
#include "autotune/tune/target.h"
#include "autotune/tune/timing.h"

namespace qoq::tune {

/// What works on one target: everything tune asks of the rooms beside it.
struct Workshop {
  Target target;
  std::unique_ptr<compile::Compiler> compiler;  ///< for the target's architecture
  std::shared_ptr<Proof> proof;                 ///< the emulator's is shared by all simulated targets
  std::unique_ptr<Clock> clock;
};

/// How a run went.
struct Summary {
  std::map<store::Outcome, uint64_t> outcomes;  ///< candidates recorded in this run
  uint64_t known = 0;                           ///< candidates asked for that were in the database before
  uint64_t variants = 0;                        ///< distinct variants that are ok on some target, known ones included
  bool stopped = false;                         ///< asked to stop before the end (Ctrl-C, --minutes)
  double seconds = 0;
};

/// Tunes every problem of the job on every target: asks the strategy, leaves out what the database has, refuses,
/// compiles, proves, times, and records each candidate at once. The published point of each problem is always among
/// them. A stop leaves the database as good as it is; the next run goes on from there.
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
