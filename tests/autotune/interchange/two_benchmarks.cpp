#include <benchmark/benchmark.h>

namespace {

void nothing(benchmark::State& state) {
  for (auto _ : state) benchmark::ClobberMemory();
}
BENCHMARK(nothing)->Iterations(10)->Unit(benchmark::kMicrosecond);

void almost_nothing(benchmark::State& state) {
  for (auto _ : state) benchmark::ClobberMemory();
}
BENCHMARK(almost_nothing)->Iterations(10)->Unit(benchmark::kMicrosecond);

}  // namespace
