#pragma once
#include <string_view>
#include <vector>

#include "kernels/runtime/cuda_device.h"

namespace qoq::runtime {

/// A plan with its code loaded, ready to be launched any number of times. What is verified, timed and shipped runs
/// through here. Throws Fault::Work as cuda_device.h does: a cubin for another GPU, a missing entry, too much shared
/// memory.
class LoadedPlan {
 public:
  LoadedPlan(const Plan& plan, std::string_view cubin);

  /// Queues every launch in order; one argument struct each. Workspaces are the caller's.
  void run(const Arguments& arguments, const Stream& stream) const;

 private:
  Module module_;
  std::vector<Launch> launches_;
  std::vector<CUfunc_st*> functions_;
};

/// Waits until everything before the event's record is done, asking often. False when `timeout_s` ran out first.
bool wait_for(const Event& event, double timeout_s);

}  // namespace qoq::runtime
