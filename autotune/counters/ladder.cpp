#include "autotune/counters/ladder.h"

#include "autotune/counters/activity.h"
#include "autotune/counters/range_profiler.h"

namespace qoq::counters {

CounterReading choose_rung(const Attempt& counters, const Attempt& activity, const Known& known) {
  CounterReading reading;
  if (counters.ok()) {
    reading = {.rung = Rung::Counters, .values = counters.values, .passes = counters.passes, .reason = {}};
  } else if (activity.ok()) {
    reading = {.rung = Rung::Activity,
               .values = activity.values,
               .passes = activity.passes,
               .reason = "no counters: " + counters.reason};
    reading.values.insert(known.instruction_mix.begin(), known.instruction_mix.end());
  } else {
    reading = {.rung = Rung::Prediction, .values = known.prediction, .passes = 0, .reason = {}};
    // Both rungs often fail for one cause (no driver, no CUPTI), which is said once.
    reading.reason = counters.reason == activity.reason
                         ? "no counters, no activity: " + counters.reason
                         : "no counters: " + counters.reason + "; no activity: " + activity.reason;
  }
  return reading;
}

CounterReading explain(const Device& device, const std::function<void()>& prepare, const std::function<void()>& run,
                       const Known& known) {
  const Attempt counters = read_counters(prepare, run);
  const Attempt activity = counters.ok() ? Attempt{} : trace_activity(prepare, run);
  CounterReading reading = choose_rung(counters, activity, known);
  if (!reading.reason.empty()) reading.reason = device.name + ": " + reading.reason;
  return reading;
}

}  // namespace qoq::counters
