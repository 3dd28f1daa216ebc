// k-tiles per second of the emulator, every check on.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "kernels/emulator/emulator.h"
#include "tests/bench/emulator/tile_kernel.h"

namespace {

using namespace qoq;

QOQ_ENTRY(emulator_bench_tile, bench::tile_kernel, bench::TileArgs, 256, 1)

void run_tiles(benchmark::State& state, const emulator::Options& options) {
  const u32 tiles = 64;
  const u32 k = tiles * 64;
  std::vector<uint8_t> a(size_t{128} * k, 3);
  std::vector<uint8_t> w(size_t{128} * k / 2, 0x5a);
  std::vector<i32> out(size_t{128} * 128);
  const bench::TileArgs args{a.data(), w.data(), out.data(), k};
  emulator::Memory memory;
  memory.add("a", a.data(), a.size());
  memory.add("w", w.data(), w.size());
  memory.add("out", out.data(), out.size() * 4, emulator::Access::Scratch);
  for (auto _ : state) {
    const auto result = emulator::launch(emulator_bench_tile, &args, {}, emulator_bench_tile_threads,
                                         bench::tile_shared_bytes, memory, options);
    if (result.fault) return state.SkipWithError(result.fault->c_str());
  }
  state.counters["k-tiles/s"] = benchmark::Counter(static_cast<double>(tiles) * static_cast<double>(state.iterations()),
                                                   benchmark::Counter::kIsRate);
}

void warp_first(benchmark::State& state) { run_tiles(state, {}); }
void random_order(benchmark::State& state) {
  run_tiles(state, {.schedule = emulator::Schedule::Random, .async = emulator::AsyncLanding::Random});
}
void without_race_detector(benchmark::State& state) { run_tiles(state, {.races = false}); }

BENCHMARK(warp_first)->Unit(benchmark::kMillisecond);
BENCHMARK(random_order)->Unit(benchmark::kMillisecond);
BENCHMARK(without_race_detector)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
