#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "autotune/store/rows.h"

namespace qoq::report {

/// How the search of one problem went, by its rows in the order recorded.
struct Progress {
  /// The evaluation, counted from 1, at which the best so far became better.
  struct Step {
    int64_t evaluation = 0;
    double best_us = 0;
  };
  int64_t evaluations = 0;  ///< failed ones too; ablations and baselines are none
  int64_t failed = 0;
  std::vector<Step> steps;  ///< empty: nothing was timed
  std::string begun_at, ended_at;

  /// Best found / best so far after `evaluation` evaluations: 0 before the first time, 1 at the end.
  double share_after(int64_t evaluation) const;
  /// The first evaluation after which the best so far was within `slack` of the best found; 0: nothing was timed.
  int64_t reached(double slack) const;
};

/// Only times of `source` count: measured and predicted ones are never compared.
Progress track_progress(std::span<const store::Candidate* const> rows, store::Source source);

}  // namespace qoq::report
