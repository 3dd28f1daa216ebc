#pragma once
#include <cstdint>
#include <map>
#include <memory>

#include "autotune/compile/compiler.h"
#include "autotune/measure/modes.h"
#include "autotune/store/rows.h"
#include "autotune/tune/proof.h"
#include "autotune/tune/target.h"
#include "autotune/tune/timing.h"
#include "autotune/worker/worker.h"

namespace qoq::tune {

/// What a target, mostly an attached GPU, is asked beside each candidate's verdict and time.
struct Extras {
  bool race = true;         ///< the fastest rows of each problem against each other and the incumbent
  bool cross_check = true;  ///< the winner's time by CUPTI Activity beside the events'
  bool baselines = true;    ///< other libraries' kernels for the same problem
  bool counters = true;     ///< what limits the winner, in a phase of its own at the end
  bool ablations = true;    ///< what dequantisation costs the winner (simulated GPUs too)
  bool revalidate = false;  ///< no search: only what an earlier environment of the GPU found best
};

/// What works on one target: everything tune asks of the rooms beside it.
struct Workshop {
  Target target;
  std::unique_ptr<compile::Compiler> compiler;  ///< for the target's architecture
  std::shared_ptr<Proof> proof;                 ///< the emulator's is shared by all simulated targets
  std::unique_ptr<Clock> clock;
  std::shared_ptr<worker::Gpu> gpu{};       ///< verifies and times; null where it is simulated
  std::shared_ptr<worker::Gpu> profiler{};  ///< the same GPU from another process: profiling leaves traces in its own
  measure::Modes modes{};
  Extras extras{};
};

/// How a run went.
struct Summary {
  std::map<store::Outcome, uint64_t> outcomes;  ///< candidates recorded in this run
  uint64_t known = 0;                           ///< candidates asked for that were in the database before
  uint64_t variants = 0;                        ///< distinct variants that are ok on some target, known ones included
  bool stopped = false;                         ///< asked to stop before the end (Ctrl-C, --minutes)
  double seconds = 0;
  double gpu_s = 0;                 ///< time that samples took on attached GPUs
  double sampling_s = 0;            ///< wall time around those, from the first request of a sample to its answer
  uint64_t ablations = 0;           ///< recorded in this run; no candidates
  uint64_t races = 0, changed = 0;  ///< races run; those that put another variant in the incumbent's place
};

}  // namespace qoq::tune
