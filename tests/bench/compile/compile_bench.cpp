// Builds per second of the smallest kernels, cold and from the cache: what the room itself costs beside the compiler's
// work on a real kernel.
#include <benchmark/benchmark.h>

#include "autotune/compile/host_compiler.h"
#include "autotune/compile/nvrtc_compiler.h"
#include "tests/autotune/compile/tiny_source.h"

namespace qoq::compile {
namespace {

constexpr int jobs = 2;

std::vector<Source> many_sources(int count) {
  std::vector<Source> sources;
  for (int i = 0; i < count; ++i) sources.push_back(saxpy(fmt::format("kernel{}", i), i));
  return sources;
}

/// Each iteration builds everything: in a fresh cache when cold, else in one that has it all.
template <class Make>
void measure(benchmark::State& state, bool cold, int count, const Make& make) {
  const auto sources = many_sources(count);
  ScratchFolder warm;
  if (!cold) make(warm.path())->build(sources, {}, {});
  for (auto _ : state) {
    state.PauseTiming();
    auto fresh = std::make_unique<ScratchFolder>();
    const auto compiler = make(cold ? fresh->path() : warm.path());
    state.ResumeTiming();
    for (const Build& build : compiler->build(sources, {}, {})) {
      if (!build.ok || build.from_cache == cold) state.SkipWithError("a build was not what it should be");
    }
    state.PauseTiming();
    fresh.reset();
    state.ResumeTiming();
  }
  state.counters["builds/s"] = benchmark::Counter(static_cast<double>(count) * static_cast<double>(state.iterations()),
                                                  benchmark::Counter::kIsRate);
}

void nvrtc(benchmark::State& state, bool cold, int count) {
  const Nvrtc nvrtc = Nvrtc::open();
  if (!nvrtc) return state.SkipWithError(nvrtc.reason.c_str());
  measure(state, cold, count, [&](const std::filesystem::path& cache) {
    return std::make_unique<NvrtcCompiler>(nvrtc, "sm_80", cache, jobs);
  });
}

void host(benchmark::State& state, bool cold, int count) {
  measure(state, cold, count,
          [](const std::filesystem::path& cache) { return std::make_unique<HostCompiler>(cache, jobs); });
}

BENCHMARK_CAPTURE(nvrtc, cold, true, 32)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(nvrtc, cached, false, 200)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(host, cold, true, 64)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(host, cached, false, 200)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::compile
