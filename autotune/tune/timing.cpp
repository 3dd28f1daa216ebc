#include "autotune/tune/timing.h"

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

class PredictingClock final : public Clock {
 public:
  explicit PredictingClock(const Target& target) : device_(target.device), gpu_(*target.sheet) {}

  Timing time(const Family& family, const Point& point, const Problem& problem, const compile::Build& build) override {
    const Plan plan = family.plan(point, problem, device_);
    const Traffic traffic = family.traffic(point, problem, device_);
    const Work work = family.work(problem);
    Timing timing;
    nlohmann::ordered_json parts;
    for (const Launch& launch : plan.launches) {
      const roofline::Prediction prediction = roofline::predict(gpu_, code(build, launch.entry), launch, traffic, work);
      if (!std::isfinite(prediction.total_us)) {
        timing.failure = fmt::format("no CTA fits on an SM: {} run out", prediction.residency.limiter);
        return timing;
      }
      timing.median_us += prediction.total_us;
      for (const auto& [name, us] : prediction.parts()) parts["parts_us"][std::string(name)] = us;
      parts["limiter"] = prediction.limiter;
      parts["ctas_per_sm"] = prediction.residency.blocks_per_sm;
      parts["waves"] = prediction.waves;
      parts["tail_efficiency"] = prediction.tail_efficiency;
    }
    timing.source = store::Source::Predicted;
    timing.details = parts.dump();
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
  explicit MeasuringClock(std::unique_ptr<measure::Timer> timer) : timer_(std::move(timer)) {}

  Timing time(const Family& family, const Point& point, const Problem& problem, const compile::Build& build) override {
    const measure::Sample sample = timer_->time(family, point, problem, build.object);
    Timing timing{store::Source::Measured, sample.median_us, sample.relative_iqr, sample.samples_us, "{}",
                  sample.failure};
    nlohmann::ordered_json details{{"cache", sample.cache}, {"launch", sample.launch}, {"settled", sample.settled}};
    if (sample.throttled) details["throttled"] = *sample.throttled;
    timing.details = details.dump();
    return timing;
  }

 private:
  std::unique_ptr<measure::Timer> timer_;
};

}  // namespace

std::unique_ptr<Clock> make_predicting_clock(const Target& target) { return std::make_unique<PredictingClock>(target); }
std::unique_ptr<Clock> make_measuring_clock(std::unique_ptr<measure::Timer> timer) {
  return std::make_unique<MeasuringClock>(std::move(timer));
}

}  // namespace qoq::tune
