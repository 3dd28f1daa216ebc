#include "autotune/tune/timing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "roofline/model/model.h"

namespace qoq::tune {

namespace {

/// A prediction's parts, summed over the launches; the rest is the longest launch's. Several launches are listed too.
nlohmann::ordered_json details_of(const Plan& plan, const std::vector<roofline::Prediction>& predictions) {
  nlohmann::ordered_json details;
  if (predictions.empty()) return nlohmann::ordered_json::object();
  std::vector<std::pair<std::string_view, double>> sums = predictions.front().parts();
  for (size_t i = 1; i < predictions.size(); ++i) {
    const auto parts = predictions[i].parts();  // the same names in the same order
    for (size_t part = 0; part < parts.size(); ++part) sums[part].second += parts[part].second;
  }
  for (const auto& [name, us] : sums) details["parts_us"][std::string(name)] = us;
  const auto& longest = *std::ranges::max_element(predictions, {}, &roofline::Prediction::total_us);
  details["limiter"] = longest.limiter;
  details["ctas_per_sm"] = longest.residency.blocks_per_sm;
  details["waves"] = longest.waves;
  details["tail_efficiency"] = longest.tail_efficiency;
  for (size_t i = 0; predictions.size() > 1 && i < predictions.size(); ++i) {
    details["launches"].push_back({{"entry", plan.launches[i].entry},
                                   {"total_us", predictions[i].total_us},
                                   {"limiter", predictions[i].limiter}});
  }
  return details;
}

class PredictingClock final : public Clock {
 public:
  explicit PredictingClock(const Target& target) : device_(target.device), gpu_(*target.sheet) {}

  Timing time(const Family& family, const Point& point, const Problem& problem, const compile::Build& build) override {
    const Plan plan = family.plan(point, problem, device_);
    const Traffic traffic = family.traffic(point, problem, device_);
    const Work work = family.work(problem);
    Timing timing;
    std::vector<roofline::Prediction> predictions;
    for (size_t i = 0; i < plan.launches.size(); ++i) {
      const Launch& launch = plan.launches[i];
      predictions.push_back(roofline::predict(gpu_, code(build, launch.entry), launch,
                                              traffic_of(plan, i, traffic, device_), i == 0 ? work : Work{}));
      if (!std::isfinite(predictions.back().total_us)) {
        timing.failure = fmt::format("no CTA fits on an SM: {} run out", predictions.back().residency.limiter);
        return timing;
      }
      timing.median_us += predictions.back().total_us;
    }
    timing.source = store::Source::Predicted;
    timing.details = details_of(plan, predictions).dump();
    return timing;
  }

 private:
  const roofline::EntryCode& code(const compile::Build& build, const std::string& entry) {
    const auto [found, fresh] = entries_.try_emplace(build.key + entry);
    if (fresh) {
      const std::string cubin = read_file(build.object);
      for (auto& candidate : roofline::read_cubin(std::as_bytes(std::span(cubin)))) {
        if (candidate.name == entry) found->second = std::move(candidate);
      }
      if (found->second.name.empty()) fail("{} holds no entry {}", build.object.string(), entry);
    }
    return found->second;
  }

  Device device_;
  roofline::Gpu gpu_;
  std::map<std::string, roofline::EntryCode> entries_;
};

class MeasuringClock final : public Clock {
 public:
  MeasuringClock(std::shared_ptr<worker::Gpu> gpu, measure::Modes modes) : gpu_(std::move(gpu)), modes_(modes) {}

  Timing time(const Family& family, const Point& point, const Problem& problem, const compile::Build& build) override {
    return timing_of(gpu_->time({&family, point, problem, build.object}, modes_), modes_);
  }

 private:
  std::shared_ptr<worker::Gpu> gpu_;
  measure::Modes modes_;
};

}  // namespace

Traffic traffic_of(const Plan& plan, size_t launch, const Traffic& family, const Device& device) {
  if (launch == 0) return family;
  Traffic gathered;
  for (const Workspace& workspace : plan.workspaces) gathered.l2_read_bytes += static_cast<double>(workspace.bytes);
  const bool kept = gathered.l2_read_bytes <= static_cast<double>(device.l2_bytes);
  gathered.dram_read_bytes = kept ? 0 : gathered.l2_read_bytes;
  return gathered;
}

std::unique_ptr<Clock> make_predicting_clock(const Target& target) { return std::make_unique<PredictingClock>(target); }
Timing timing_of(const measure::Sample& sample, measure::Modes modes) {
  Timing timing;
  timing.source = store::Source::Measured;
  timing.median_us = sample.median_us;
  timing.relative_iqr = sample.relative_iqr;
  timing.samples_us = sample.samples_us;
  timing.failure = sample.failure;
  timing.timed_out = sample.timed_out;
  timing.transient = sample.transient;
  timing.gpu_s = sample.gpu_s;
  nlohmann::ordered_json details{{"cache", measure::to_text(modes.cache)},
                                 {"launch", measure::to_text(modes.launch)},
                                 {"settled", sample.settled},
                                 {"stopped_by", sample.stopped_by}};
  if (sample.sm_mhz > 0) details["sm_mhz"] = sample.sm_mhz;
  if (sample.discarded > 0) details["discarded"] = sample.discarded;
  details["throttled"] = sample.throttled != 0;
  timing.details = details.dump();
  return timing;
}

std::unique_ptr<Clock> make_measuring_clock(std::shared_ptr<worker::Gpu> gpu, measure::Modes modes) {
  return std::make_unique<MeasuringClock>(std::move(gpu), modes);
}

}  // namespace qoq::tune
