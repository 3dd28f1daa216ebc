#include "autotune/measure/sampling.h"

#include <fmt/format.h>

#include "autotune/measure/clock_watch.h"
#include "autotune/measure/stopping.h"
#include "kernels/runtime/nvml.h"

namespace qoq::measure {

namespace {

class Sampler {
 public:
  Sampler(Lane& lane, Stand& stand, const SamplingLimits& limits)
      : lane_(lane), stand_(stand), limits_(limits), clocks_(limits.clock_drop), back_off_(limits.back_off_s) {}

  void run() {
    rules_ = make_stopping_rules(limits_);
    start_s_ = stand_.now_s();
    while (sample_.stopped_by.empty()) {
      const double before_s = stand_.now_s();
      const Reading reading = lane_.sample();
      if (!(reading.us > 0)) fail("a sample took {} us: the timer does not work", reading.us);
      sample_.throttled |= reading.throttled;
      if (clocks_.notice(reading)) throw_away_odd_ones();
      if (clocks_.held_back(reading)) {
        discard();
      } else {
        back_off_.reset();
        sample_.samples_us.push_back(reading.us);
        kept_.push_back({reading.sm_mhz, reading.busy_us > 0 ? reading.busy_us / 1e6 : stand_.now_s() - before_s});
        ask_rules();
      }
    }
  }

  Sample take() {
    std::vector<double> clocks;
    for (const Kept& kept : kept_) {
      sample_.gpu_s += kept.gpu_s;
      if (kept.sm_mhz > 0) clocks.push_back(kept.sm_mhz);
    }
    std::ranges::sort(clocks);
    if (!clocks.empty()) sample_.sm_mhz = quantile(clocks, 0.5);
    if (sample_.stopped_by == "most-discards" && count() < limits_.least_samples) give_up();
    summarize(sample_);
    return std::move(sample_);
  }

 private:
  /// What is known of a kept sample beside its time.
  struct Kept {
    double sm_mhz, gpu_s;
  };

  int count() const { return static_cast<int>(sample_.samples_us.size()); }

  /// A handful from between two throttlings ranks nothing.
  void give_up() {
    const std::string reason =
        sample_.throttled == 0 ? "NVML gives no reason" : "NVML: " + runtime::reasons_text(sample_.throttled);
    sample_.failure = count() == 0 ? fmt::format("all {} samples were thrown away: the clocks were held back ({})",
                                                 sample_.discarded, reason)
                                   : fmt::format(
                                         "{} of {} samples were thrown away, and at least {} must be left: the clocks "
                                         "were held back ({})",
                                         sample_.discarded, sample_.discarded + count(), limits_.least_samples, reason);
    sample_.transient = true;
    sample_.samples_us.clear();
  }

  void discard() {
    ++sample_.discarded;
    if (sample_.discarded >= limits_.most_discards) {
      sample_.stopped_by = "most-discards";
      return;
    }
    const double before_s = stand_.now_s();
    back_off_.rest(stand_);
    lane_.warm_up(limits_.rewarm_ms);
    paused_s_ += stand_.now_s() - before_s;
  }

  /// The clocks were still climbing when they were taken, had dropped before the first, or have settled lower since.
  void throw_away_odd_ones() {
    size_t left = 0;
    for (size_t i = 0; i < kept_.size(); ++i) {
      if (clocks_.odd(kept_[i].sm_mhz)) continue;
      kept_[left] = kept_[i];
      sample_.samples_us[left++] = sample_.samples_us[i];
    }
    sample_.discarded += static_cast<int>(kept_.size() - left);
    kept_.resize(left);
    sample_.samples_us.resize(left);
  }

  void ask_rules() {
    if (count() < limits_.least_samples) return;
    const double elapsed_s = stand_.now_s() - start_s_ - paused_s_;
    for (const auto& rule : rules_) {
      if (!rule->satisfied(sample_.samples_us, elapsed_s)) continue;
      sample_.stopped_by = rule->name();
      sample_.settled = rule->settles();
      return;
    }
    if (count() >= limits_.most_samples) sample_.stopped_by = "most-samples";
  }

  Lane& lane_;
  Stand& stand_;
  const SamplingLimits limits_;
  ClockWatch clocks_;
  BackOff back_off_;
  std::vector<std::unique_ptr<StoppingRule>> rules_;
  std::vector<Kept> kept_;  ///< beside samples_us
  double start_s_ = 0, paused_s_ = 0;
  Sample sample_;
};

}  // namespace

Sample take_sample(Lane& lane, Stand& stand, const SamplingLimits& limits, bool rested) {
  Sample failed;
  try {
    lane.warm_up(rested ? limits.warm_up_ms : limits.rewarm_ms);
    Sampler sampler(lane, stand, limits);
    sampler.run();
    Sample sample = sampler.take();
    sample.gpu_s += (rested ? limits.warm_up_ms : limits.rewarm_ms) / 1000;
    return sample;
  } catch (const ContextLost& lost) {
    failed.failure = lost.what();
    failed.timed_out = lost.timed_out;
    failed.context_lost = true;
  } catch (const Error& error) {
    failed.failure = error.what();
  }
  return failed;
}

}  // namespace qoq::measure
