#include "autotune/tune/timing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "roofline/model/subject.h"

namespace qoq::tune {

namespace {

/// A prediction's parts, summed over the launches; the rest is the longest launch's. Several launches are listed too.
nlohmann::ordered_json details_of(const roofline::Subject& subject, const roofline::Forecast& forecast) {
  nlohmann::ordered_json details;
  if (forecast.launches.empty()) return nlohmann::ordered_json::object();
  for (const auto& [name, us] : forecast.parts()) details["parts_us"][std::string(name)] = us;
  const roofline::Prediction& longest = forecast.longest();
  details["limiter"] = longest.limiter;
  details["ctas_per_sm"] = longest.residency.blocks_per_sm;
  details["waves"] = longest.waves;
  details["tail_efficiency"] = longest.tail_efficiency;
  for (size_t i = 0; forecast.launches.size() > 1 && i < forecast.launches.size(); ++i) {
    details["launches"].push_back({{"entry", subject.steps[i].launch.entry},
                                   {"total_us", forecast.launches[i].total_us},
                                   {"limiter", forecast.launches[i].limiter}});
  }
  return details;
}

class PredictingClock final : public Clock {
 public:
  explicit PredictingClock(const Target& target) : device_(target.device), gpu_(*target.sheet) {}

  Timing time(const Family& family, const Point& point, const Problem& problem, const compile::Build& build) override {
    const roofline::Subject subject = roofline::subject_of(
        family, point, problem, device_, [&](const std::string& entry) { return footprint(build, entry); });
    const roofline::Forecast forecast = roofline::predict(gpu_, subject);
    Timing timing;
    for (const roofline::Prediction& launch : forecast.launches) {
      if (std::isfinite(launch.total_us)) continue;
      timing.failure = fmt::format("no CTA fits on an SM: {} run out", launch.residency.limiter);
      return timing;
    }
    timing.source = store::Source::Predicted;
    timing.median_us = forecast.total_us;
    timing.details = details_of(subject, forecast).dump();
    timing.subject = std::make_shared<const roofline::Subject>(subject);
    return timing;
  }

 private:
  const roofline::Footprint& footprint(const compile::Build& build, const std::string& entry) {
    const auto found = prints_.find(build.key + entry);
    if (found != prints_.end()) return found->second;
    const std::string cubin = read_file(build.object);
    for (const auto& code : roofline::read_cubin(std::as_bytes(std::span(cubin)))) {
      if (code.name == entry) return prints_[build.key + entry] = roofline::footprint_of(code);
    }
    fail("{} holds no entry {}", build.object.string(), entry);
  }

  Device device_;
  roofline::Gpu gpu_;
  std::map<std::string, roofline::Footprint> prints_;  // by build and entry
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
