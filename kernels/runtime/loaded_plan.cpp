#include "kernels/runtime/loaded_plan.h"

#include <chrono>
#include <thread>

#include "kernels/base/error.h"

namespace qoq::runtime {

LoadedPlan::LoadedPlan(const Plan& plan, std::string_view cubin) : module_(cubin), launches_(plan.launches) {
  for (const Launch& launch : launches_) {
    functions_.push_back(module_.function(launch.entry));
    allow_shared_memory(functions_.back(), launch);
  }
}

void LoadedPlan::run(const Arguments& arguments, const Stream& stream) const {
  if (arguments.size() != launches_.size()) {
    fail("{} argument structs were bound for {} launches", arguments.size(), launches_.size());
  }
  for (size_t i = 0; i < launches_.size(); ++i) launch(launches_[i], functions_[i], arguments[i], stream);
}

bool wait_for(const Event& event, double timeout_s) {
  using Clock = std::chrono::steady_clock;
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_s));
  const auto patience = Clock::now() + std::chrono::milliseconds(1);  // then it is a long kernel: let the CPU rest
  while (!event.done()) {
    const auto now = Clock::now();
    if (now > deadline) return false;
    if (now > patience) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

}  // namespace qoq::runtime
