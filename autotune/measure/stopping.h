#pragma once
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "autotune/measure/sampling.h"

namespace qoq::measure {

/// When sampling may end. Asked after every kept sample, once there are the least ones.
class StoppingRule {
 public:
  virtual ~StoppingRule() = default;
  virtual std::string_view name() const = 0;
  /// `samples_us` in the order taken, at least one; `elapsed_s` since the first, rests left out. May remember what it
  /// was asked before.
  virtual bool satisfied(std::span<const double> samples_us, double elapsed_s) = 0;
  /// Whether what it ends is as precise as was wanted.
  virtual bool settles() const { return true; }
};

/// "relative-iqr": the distance of the quartiles is at most `of_samples` of the median, and divided by the root of the
/// samples' number (about the standard error of their median) at most `of_median`.
std::unique_ptr<StoppingRule> stop_at_relative_iqr(double of_samples, double of_median);

/// "stability": the median of the last half has agreed with that of all for a while. A distribution with a tail, or a
/// wide one whose middle is known by now, ends so and not only at the time-out.
std::unique_ptr<StoppingRule> stop_when_stable();

/// "time-out": `limit_s` have passed. Settles nothing.
std::unique_ptr<StoppingRule> stop_at_time_out(double limit_s);

/// All of them, in the order asked; a new rule gets its line in stopping.cpp.
std::vector<std::unique_ptr<StoppingRule>> make_stopping_rules(const SamplingLimits& limits);

}  // namespace qoq::measure
