#pragma once
#include <functional>

#include "autotune/counters/counters.h"

namespace qoq::counters {

/// Reads every counter of the current context's GPU over one run, by user replay: the run is repeated once a pass, and
/// CUPTI restores nothing in between. (CUPTI User's Guide, "Range Profiling API": user range, user replay.)
///
/// `prepare` puts workspaces and caches back to where a run finds them, and waits for that; `run` launches the work and
/// waits for it. Only `run` lies inside the range. Run it once before: first launches load code.
///
/// Whatever keeps counters from being read is the attempt's reason. What `prepare` and `run` throw passes through; then
/// the profiler is left as it is (on a GPU that hangs, closing it would hang too), and this process reads no counters
/// again: later attempts say so.
Attempt read_counters(const std::function<void()>& prepare, const std::function<void()>& run);

}  // namespace qoq::counters
