#pragma once
#include <functional>

#include "autotune/counters/counters.h"
#include "kernels/runtime/device.h"

namespace qoq::counters {

/// What the caller knows of a variant without running it: for the rungs below counters.
struct Known {
  Values instruction_mix;  ///< of the compiled kernel; goes beside what Activity saw
  Values prediction;       ///< of the model; the last rung
};

/// Which rung the two attempts leave, and why not a better one. `activity` is not looked at when counters were read.
CounterReading choose_rung(const Attempt& counters, const Attempt& activity, const Known& known);

/// Explains a run as well as this process may: by counters, else by CUPTI Activity beside the instruction mix, else by
/// the prediction alone. `device` is the current context's; `prepare` and `run` as read_counters() wants them, and what
/// they throw passes through.
CounterReading explain(const Device& device, const std::function<void()>& prepare, const std::function<void()>& run,
                       const Known& known = {});

}  // namespace qoq::counters
