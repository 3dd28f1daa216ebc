#include <benchmark/benchmark.h>

#include "autotune/counters/cupti.h"
#include "autotune/counters/host.h"

namespace {

using namespace qoq::counters;

/// What configuring all counters costs before the first pass, on a chip.
void configure(benchmark::State& state, const char* chip) {
  if (!Cupti::get().available) {
    state.SkipWithError(Cupti::get().reason.c_str());
    return;
  }
  std::vector<std::string> metrics;
  for (const CounterMetric& counter : counters_of(chip).metrics) metrics.push_back(counter.metric);
  for (auto _ : state) {
    const Host host(chip, metrics);
    state.counters["passes"] = host.passes();
    benchmark::DoNotOptimize(host.image().data());
  }
}
BENCHMARK_CAPTURE(configure, GA100, "GA100")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(configure, GH100, "GH100")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(configure, GB202, "GB202")->Unit(benchmark::kMillisecond);

}  // namespace
