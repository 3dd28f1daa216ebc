#include "autotune/worker/cuda_gpu.h"

#include <algorithm>

#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/counters/activity.h"
#include "autotune/counters/ladder.h"
#include "autotune/measure/cuda_stand.h"
#include "autotune/verify/cuda_verifier.h"

namespace qoq::worker {

namespace {

constexpr int cross_check_samples = 20;

/// A finalist that could not be loaded (no memory left): out of the race for that reason, which the others go on with.
class BrokenLane final : public measure::Lane {
 public:
  explicit BrokenLane(Error error) : error_(std::move(error)) {}
  void warm_up(double) override { throw Error(error_); }
  measure::Reading sample() override { throw Error(error_); }

 private:
  Error error_;
};

/// What Activity says of a run: its kernels' medians, and how far begins of its first kernel lie apart where runs are
/// queued one behind the other. Waits between samples are longer: distances beyond 1.5 × the least are none of those.
/// With a flush before each run only its kernels tell.
void compare(const std::vector<counters::KernelActivity>& kernels, const Plan& plan, measure::Cache cache,
             Gpu::CrossCheck& check) {
  for (const Launch& launch : plan.launches) {
    std::vector<double> durations;
    for (const counters::KernelActivity& kernel : kernels) {
      if (kernel.name == launch.entry) durations.push_back(kernel.us);
    }
    if (durations.empty()) {
      check.failure = "CUPTI Activity saw no launch of " + launch.entry;
      return;
    }
    std::ranges::sort(durations);
    check.kernels_us += measure::quantile(durations, 0.5);
  }
  check.activity_us = check.kernels_us;
  if (cache == measure::Cache::Cold) return;
  std::vector<double> distances;
  double before_us = -1;
  for (const counters::KernelActivity& kernel : kernels) {
    if (kernel.name != plan.launches.front().entry) continue;
    if (before_us >= 0) distances.push_back(kernel.begin_us - before_us);
    before_us = kernel.begin_us;
  }
  if (distances.empty()) return;
  std::ranges::sort(distances);
  std::erase_if(distances, [least = distances.front()](double us) { return us > 1.5 * least; });
  check.activity_us = measure::quantile(distances, 0.5);
}

class CudaGpu final : public Gpu {
 public:
  CudaGpu(int index, const std::string& cache_folder)
      : device_(index),
        cache_folder_(cache_folder),
        verifier_(device_, [this](const Source& source) { return build_reference(source); }),
        stand_(device_, {}, [this](const measure::Subject& subject) {
          return verifier_.prepared(*subject.family, subject.point, subject.problem);
        }) {}

  std::string uuid() const override { return device_.gpu().uuid; }

  verify::Verdict verify(const measure::Subject& subject, uint64_t seed) override {
    verify::Verdict verdict = verifier_.verify(*subject.family, subject.point, subject.problem, subject.object, seed);
    if (verdict.status == verify::Verdict::Status::LaunchFailed && !alive()) verdict.context_lost = true;
    return verdict;
  }

  measure::Sample time(const measure::Subject& subject, measure::Modes modes) override {
    measure::Sample sample;
    try {
      const auto lane = stand_.lane(subject, modes);
      sample = measure::take_sample(*lane, stand_, sampling_, stand_.now_s() - last_busy_s_ > 1);
    } catch (const measure::ContextLost& lost) {
      sample.failure = lost.what();
      sample.timed_out = lost.timed_out;
      sample.context_lost = true;
    } catch (const Error& error) {
      sample.failure = error.what();
      sample.context_lost = !alive();
    }
    last_busy_s_ = stand_.now_s();
    return sample;
  }

  measure::RaceResult race(std::span<const measure::Subject> subjects, size_t incumbent,
                           measure::Modes modes) override {
    std::vector<std::unique_ptr<measure::Lane>> lanes;
    std::vector<measure::Lane*> racers;
    for (const measure::Subject& subject : subjects) {
      try {
        lanes.push_back(stand_.lane(subject, modes));
      } catch (const measure::ContextLost&) {
        throw;
      } catch (const Error& error) {
        lanes.push_back(std::make_unique<BrokenLane>(error));
      }
      racers.push_back(lanes.back().get());
    }
    const measure::RaceResult result = measure::race(racers, incumbent, stand_, {});
    last_busy_s_ = stand_.now_s();
    return result;
  }

  CrossCheck cross_check(const measure::Subject& subject, measure::Modes modes) override;

  counters::CounterReading count(const measure::Subject& subject) override try {
    const measure::CudaStand::Replay replay = stand_.replay(subject);
    replay.run();  // the driver loads code at its first launch
    return counters::explain(device_.gpu().device, replay.reset, replay.run);
  } catch (const Error& error) {
    if (alive()) throw;
    throw measure::ContextLost(error.what(), false);
  }

  baselines::BaselineRun run_baselines(const measure::Subject& subject, measure::Modes modes) override {
    const bool rested = stand_.now_s() - last_busy_s_ > 1;
    auto run = baselines::run_baselines(subject.problem, device_.gpu().device, stand_, modes, sampling_, rested);
    last_busy_s_ = stand_.now_s();
    return run;
  }

 private:
  /// Whether the context still answers. A sticky error of an earlier launch may show itself anywhere, even in a load.
  bool alive() const {
    try {
      device_.synchronize();
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  std::filesystem::path build_reference(const Source& source) {
    if (!compiler_) {
      const compile::Nvrtc nvrtc = compile::Nvrtc::open();
      if (!nvrtc) fail("the reference kernel needs NVRTC: {}", nvrtc.reason);
      compiler_ =
          std::make_unique<compile::NvrtcCompiler>(nvrtc, device_.gpu().device.architecture(), cache_folder_, 1);
    }
    const compile::Build build = compiler_->build(std::span(&source, 1), {}, {}).front();
    if (!build.ok) fail("the reference kernel does not compile: {}", build.log);
    return build.object;
  }

  runtime::CudaDevice device_;
  std::string cache_folder_;
  std::unique_ptr<compile::NvrtcCompiler> compiler_;
  verify::CudaVerifier verifier_;
  measure::CudaStand stand_;
  measure::SamplingLimits sampling_;
  double last_busy_s_ = -1e9;
};

CudaGpu::CrossCheck CudaGpu::cross_check(const measure::Subject& subject, measure::Modes modes) {
  CrossCheck check;
  try {
    counters::ActivityTrace trace;
    const auto lane = stand_.lane(subject, modes);
    lane->warm_up(sampling_.rewarm_ms);
    trace.start();
    std::vector<double> events;
    for (int i = 0; i < cross_check_samples; ++i) events.push_back(lane->sample().us);
    const std::vector<counters::KernelActivity> kernels = trace.stop();
    std::ranges::sort(events);
    check.events_us = measure::quantile(events, 0.5);
    const Plan plan = subject.family->plan(subject.point, subject.problem, device_.gpu().device);
    compare(kernels, plan, modes.cache, check);
  } catch (const measure::ContextLost&) {
    throw;
  } catch (const Error& error) {
    if (!alive()) throw measure::ContextLost(error.what(), false);
    check.failure = error.what();
  }
  return check;
}

}  // namespace

std::unique_ptr<Gpu> make_cuda_gpu(int index, const std::string& cache_folder) {
  return std::make_unique<CudaGpu>(index, cache_folder);
}

}  // namespace qoq::worker
