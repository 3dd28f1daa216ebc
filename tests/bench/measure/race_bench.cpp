// What the rules of measuring cost the CPU per sample, recorded GPUs doing the sampling. Between two samples the GPU
// waits for this: it must be small beside a sample, which is 200 us of GPU work or a kernel of 20 us and its launch.
#include <benchmark/benchmark.h>

#include "autotune/measure/race.h"
#include "autotune/measure/recorded_stand.h"
#include "autotune/measure/sampling.h"

namespace qoq::measure {
namespace {

/// `count` variants "a", "b", … 0.5 % apart.
RecordedDevice device_of(int count) {
  RecordedDevice device = RecordedDevice::h200();
  device.noise.share = 0.03;
  for (int i = 0; i < count; ++i)
    device.times.push_back({std::string(1, static_cast<char>('a' + i)), "", 20 * (1 + 0.005 * i)});
  return device;
}

void count_samples(benchmark::State& state, size_t samples) {
  state.counters["time/sample"] =
      benchmark::Counter(static_cast<double>(samples), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// The reading alone, to be taken off the others.
void recorded_reading(benchmark::State& state) {
  RecordedStand stand(device_of(1));
  const auto lane = stand.lane("a", "problem");
  size_t samples = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(lane->sample());
    ++samples;
  }
  count_samples(state, samples);
}
BENCHMARK(recorded_reading);

/// As many samples as the rules allow, none of which ends it before.
void take_all_samples(benchmark::State& state) {
  RecordedDevice device = device_of(1);
  device.drift = {1, 0.3};
  SamplingLimits limits;
  limits.relative_iqr = 0;
  size_t samples = 0;
  for (auto _ : state) {
    RecordedStand stand(device);
    samples += take_sample(*stand.lane("a", "problem"), stand, limits, false).samples_us.size();
  }
  count_samples(state, samples);
}
BENCHMARK(take_all_samples);

void run_race(benchmark::State& state) {
  const RecordedDevice device = device_of(static_cast<int>(state.range(0)));
  size_t samples = 0;
  for (auto _ : state) {
    RecordedStand stand(device);
    std::vector<std::unique_ptr<Lane>> owners;
    std::vector<Lane*> lanes;
    for (const RecordedTime& time : device.times) {
      owners.push_back(stand.lane(time.variant.text(), "problem"));
      lanes.push_back(owners.back().get());
    }
    for (const Sample& sample : race(lanes, 0, stand, {}).samples) samples += sample.samples_us.size();
  }
  count_samples(state, samples);
}
BENCHMARK(run_race)->Arg(2)->Arg(8)->Arg(16);

}  // namespace
}  // namespace qoq::measure
