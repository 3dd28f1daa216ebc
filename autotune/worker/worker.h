#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "autotune/baselines/run.h"
#include "autotune/counters/counters.h"
#include "autotune/measure/lane.h"
#include "autotune/measure/race.h"
#include "autotune/measure/sampling.h"
#include "autotune/verify/verifier.h"

namespace qoq::worker {

/// What can be asked of a GPU. Answers are values: a variant that hangs, faults or takes its context along is a
/// verdict or a sample with its failure.
class Gpu {
 public:
  virtual ~Gpu() = default;
  /// As runtime::AttachedGpu::uuid; empty where it is not known.
  virtual std::string uuid() const { return {}; }
  virtual verify::Verdict verify(const measure::Subject& subject, uint64_t seed) = 0;
  virtual measure::Sample time(const measure::Subject& subject, measure::Modes modes) = 0;
  /// Finalists, interleaved; subjects[incumbent] wins ties.
  virtual measure::RaceResult race(std::span<const measure::Subject> subjects, size_t incumbent,
                                   measure::Modes modes) = 0;
  /// The same samples by events and by CUPTI Activity: medians of one run in µs. Of runs that are queued one behind the
  /// other both are from begin to begin, the wait between two kernels included; `kernels_us` is without it.
  struct CrossCheck {
    double events_us = 0, activity_us = 0, kernels_us = 0;
    std::string failure;  ///< why there is none ("CUPTI is not installed", "another profiler is attached")
  };
  virtual CrossCheck cross_check(const measure::Subject& subject, measure::Modes modes) = 0;
  virtual counters::CounterReading count(const measure::Subject& subject) = 0;
  /// Other libraries' kernels on the subject's problem; its variant does not matter.
  virtual baselines::BaselineRun run_baselines(const measure::Subject& subject, measure::Modes modes) = 0;
};

}  // namespace qoq::worker
