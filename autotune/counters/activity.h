#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "autotune/counters/counters.h"

namespace qoq::counters {

/// Records when each kernel of this process began and ended, by CUPTI Activity (CONCURRENT_KERNEL: the kind that does
/// not serialise kernels). Needs no privilege. CUPTI serves one user a process: only one trace can run at a time, and
/// none while a profiler is attached. Launches cost more while it runs; kernels do not.
class ActivityTrace {
 public:
  ActivityTrace();
  ~ActivityTrace();  ///< stops, its kernels lost
  ActivityTrace(const ActivityTrace&) = delete;
  ActivityTrace& operator=(const ActivityTrace&) = delete;

  /// Throws Fault::Work with the reason when there is no CUPTI, no driver, or CUPTI serves someone else.
  void start();
  /// What ran since start(), in the order of beginning; the caller has waited for it. Kernels whose times CUPTI could
  /// not take are missing. Throws Fault::Work when CUPTI does not hand its records over.
  std::vector<KernelActivity> stop();

 private:
  struct Subscription;
  std::unique_ptr<Subscription> subscription_;
};

/// A run by its kernels: activity_us and launches, the median of a few runs. `prepare` and `run` as read_counters()
/// wants them; what they throw passes through.
Attempt trace_activity(const std::function<void()>& prepare, const std::function<void()>& run);

}  // namespace qoq::counters
