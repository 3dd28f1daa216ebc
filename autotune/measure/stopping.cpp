#include "autotune/measure/stopping.h"

namespace qoq::measure {

std::vector<std::unique_ptr<StoppingRule>> make_stopping_rules(const SamplingLimits& limits) {
  std::vector<std::unique_ptr<StoppingRule>> rules;
  rules.push_back(stop_at_relative_iqr(limits.relative_iqr, limits.median_iqr));
  rules.push_back(stop_when_stable());
  rules.push_back(stop_at_time_out(limits.sampling_s));
  return rules;
}

}  // namespace qoq::measure
