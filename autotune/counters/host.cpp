#include "autotune/counters/host.h"

#include <fmt/format.h>

#include <utility>

#include "autotune/counters/cupti.h"

namespace qoq::counters {

Host::Host(const std::string& chip, std::vector<std::string> metrics) : metrics_(std::move(metrics)) {
  reason_ = configure(chip);
}

#ifdef QOQ_HAS_CUPTI

namespace {

/// CUPTI wants pointers to names that it may, by their type, change; it does not.
std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> all;
  for (const std::string& name : names) all.push_back(name.c_str());
  return all;
}

}  // namespace

std::string Host::configure(const std::string& chip) {
  const Cupti& cupti = Cupti::get();
  if (!cupti.available) return cupti.reason;
  if (metrics_.empty()) return "no metrics were asked for";

  QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_Initialize_Params, open);
  open.profilerType = CUPTI_PROFILER_TYPE_RANGE_PROFILER;
  open.pChipName = chip.c_str();
  CUptiResult result = cupti.cuptiProfilerHostInitialize(&open);
  if (result != CUPTI_SUCCESS) return cupti.describe(result, "asking CUPTI about the chip " + chip);
  object_ = std::shared_ptr<void>(open.pHostObject, [&cupti](void* object) {
    QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_Deinitialize_Params, close);
    close.pHostObject = static_cast<CUpti_Profiler_Host_Object*>(object);
    cupti.cuptiProfilerHostDeinitialize(&close);
  });

  std::vector<const char*> names = pointers(metrics_);
  QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_ConfigAddMetrics_Params, add);
  add.pHostObject = open.pHostObject;
  add.ppMetricNames = names.data();
  add.numMetrics = names.size();
  result = cupti.cuptiProfilerHostConfigAddMetrics(&add);
  if (result != CUPTI_SUCCESS) {
    return cupti.describe(result, metrics_.size() == 1
                                      ? fmt::format("{} has no metric {}", chip, metrics_[0])
                                      : fmt::format("{} refuses one of {} metrics", chip, metrics_.size()));
  }

  QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_GetConfigImageSize_Params, size);
  size.pHostObject = open.pHostObject;
  result = cupti.cuptiProfilerHostGetConfigImageSize(&size);
  // Filling an image of no bytes crashes inside CUPTI.
  if (result != CUPTI_SUCCESS || size.configImageSize == 0) {
    return cupti.describe(result, fmt::format("no configuration for {} metrics of {}", metrics_.size(), chip));
  }
  image_.resize(size.configImageSize);
  QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_GetConfigImage_Params, fill);
  fill.pHostObject = open.pHostObject;
  fill.pConfigImage = image_.data();
  fill.configImageSize = image_.size();
  result = cupti.cuptiProfilerHostGetConfigImage(&fill);
  if (result != CUPTI_SUCCESS) return cupti.describe(result, "making the configuration for " + chip);

  QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_GetNumOfPasses_Params, count);
  count.pConfigImage = image_.data();
  count.configImageSize = image_.size();
  result = cupti.cuptiProfilerHostGetNumOfPasses(&count);
  if (result != CUPTI_SUCCESS) return cupti.describe(result, "counting the passes for " + chip);
  passes_ = static_cast<int>(count.numOfPasses);
  return passes_ > 0 ? "" : fmt::format("CUPTI plans no pass for {} metrics of {}", metrics_.size(), chip);
}

std::vector<double> Host::evaluate(std::span<const uint8_t> counter_data, std::string& reason) const {
  const Cupti& cupti = Cupti::get();
  std::vector<double> values(metrics_.size());
  std::vector<const char*> names = pointers(metrics_);
  QOQ_CUPTI_PARAMS(CUpti_Profiler_Host_EvaluateToGpuValues_Params, ask);
  ask.pHostObject = static_cast<CUpti_Profiler_Host_Object*>(object_.get());
  ask.pCounterDataImage = counter_data.data();
  ask.counterDataImageSize = counter_data.size();
  ask.rangeIndex = 0;
  ask.ppMetricNames = names.data();
  ask.numMetrics = names.size();
  ask.pMetricValues = values.data();
  if (!reason_.empty()) {
    reason = reason_;
  } else if (const CUptiResult result = cupti.cuptiProfilerHostEvaluateToGpuValues(&ask); result != CUPTI_SUCCESS) {
    reason = cupti.describe(result, "evaluating the counters");
  } else {
    return values;
  }
  return {};
}

#else

std::string Host::configure(const std::string&) { return Cupti::get().reason; }

std::vector<double> Host::evaluate(std::span<const uint8_t>, std::string& reason) const {
  reason = reason_;
  return {};
}

#endif

Validation validate(const std::string& chip) {
  Validation validation{.table = counters_of(chip), .checks = {}, .passes = 0, .reason = {}};
  validation.reason = validation.table.reason;
  if (!validation.reason.empty()) return validation;
  std::vector<std::string> metrics;
  for (const CounterMetric& counter : validation.table.metrics) {
    const Host alone(chip, {counter.metric});
    validation.checks.push_back({counter, alone.reason().empty(), alone.passes(), alone.reason()});
    metrics.push_back(counter.metric);
  }
  const Host all(chip, std::move(metrics));
  validation.passes = all.passes();
  validation.reason = all.reason();
  return validation;
}

}  // namespace qoq::counters
