#include "autotune/worker/recorded_gpu.h"

#include <algorithm>
#include <utility>

#include "autotune/measure/recorded_stand.h"

namespace qoq::worker {

namespace {

constexpr int cross_check_samples = 20;
constexpr double rested_after_s = 1;

class RecordedGpu final : public Gpu {
 public:
  explicit RecordedGpu(measure::RecordedDevice device) : stand_(std::move(device)) {}

  std::string uuid() const override { return stand_.device().gpu.uuid; }

  verify::Verdict verify(const measure::Subject& subject, uint64_t seed) override {
    using Status = verify::Verdict::Status;
    verify::Verdict verdict;
    verdict.where = "recorded";
    verdict.seed = seed;
    verdict.problem = subject.problem;
    try {
      const measure::RecordedTrouble& trouble = suffer(subject, measure::RecordedPhase::Verify);
      verdict.status = Status::Ok;
      if (trouble.fault == measure::RecordedFault::WrongOutput) {
        verdict.status = Status::Wrong;
        verdict.max_error = 1;
        verdict.message = "its outputs are recorded as wrong";
      }
    } catch (const measure::ContextLost& lost) {
      verdict.status = lost.timed_out ? Status::Timeout : Status::LaunchFailed;
      verdict.message = lost.what();
      verdict.context_lost = true;
    } catch (const Error& error) {
      verdict.status = Status::LaunchFailed;
      verdict.message = error.what();
    }
    return verdict;
  }

  measure::Sample time(const measure::Subject& subject, measure::Modes modes) override {
    measure::Sample sample;
    try {
      const auto lane = stand_.lane(subject, modes);
      sample = measure::take_sample(*lane, stand_, sampling_, stand_.now_s() - last_busy_s_ > rested_after_s);
    } catch (const measure::ContextLost& lost) {
      sample.failure = lost.what();
      sample.timed_out = lost.timed_out;
      sample.context_lost = true;
    } catch (const Error& error) {
      sample.failure = error.what();
    }
    last_busy_s_ = stand_.now_s();
    return sample;
  }

  measure::RaceResult race(std::span<const measure::Subject> subjects, size_t incumbent,
                           measure::Modes modes) override {
    std::vector<std::unique_ptr<measure::Lane>> lanes;
    std::vector<measure::Lane*> racers;
    for (const measure::Subject& subject : subjects) {
      lanes.push_back(stand_.lane(subject, modes));
      racers.push_back(lanes.back().get());
    }
    const measure::RaceResult result = measure::race(racers, incumbent, stand_, {});
    last_busy_s_ = stand_.now_s();
    return result;
  }

  CrossCheck cross_check(const measure::Subject& subject, measure::Modes modes) override {
    CrossCheck check;
    try {
      const auto lane = stand_.lane(subject, modes);
      lane->warm_up(sampling_.rewarm_ms);
      std::vector<double> events;
      for (int i = 0; i < cross_check_samples; ++i) events.push_back(lane->sample().us);
      std::ranges::sort(events);
      check.events_us = measure::quantile(events, 0.5);
      check.activity_us = check.kernels_us = check.events_us * stand_.device().activity_factor;
    } catch (const measure::ContextLost&) {
      throw;
    } catch (const Error& error) {
      check.failure = error.what();
    }
    return check;
  }

  counters::CounterReading count(const measure::Subject& subject) override {
    suffer(subject, measure::RecordedPhase::Count);
    const measure::RecordedDevice& device = stand_.device();
    counters::CounterReading reading;
    if (device.counters_refused.empty()) {
      reading.rung = counters::Rung::Counters;
      reading.values = device.counters;
      reading.passes = 1;
    } else {
      reading.rung = counters::Rung::Activity;
      reading.reason = device.gpu.device.name + ": no counters: " + device.counters_refused;
    }
    return reading;
  }

  baselines::BaselineRun run_baselines(const measure::Subject&, measure::Modes) override {
    baselines::BaselineRun run;
    run.absent.push_back({"every library", "", true, "missing: a recorded GPU has no libraries"});
    return run;
  }

 private:
  const measure::RecordedTrouble& suffer(const measure::Subject& subject, measure::RecordedPhase phase) {
    stand_.check_context();
    const measure::RecordedTrouble& trouble =
        stand_.device().trouble(subject.family->variant(subject.point, subject.problem), subject.problem.text(), phase);
    stand_.suffer(trouble);
    return trouble;
  }

  measure::RecordedStand stand_;
  measure::SamplingLimits sampling_;
  double last_busy_s_ = -1e9;
};

}  // namespace

std::unique_ptr<Gpu> make_recorded_gpu(measure::RecordedDevice device) {
  return std::make_unique<RecordedGpu>(std::move(device));
}

runtime::AttachedGpu recorded_gpu(const std::filesystem::path& file) { return measure::RecordedDevice::load(file).gpu; }

}  // namespace qoq::worker
