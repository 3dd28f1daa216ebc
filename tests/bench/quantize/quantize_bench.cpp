// Targets: from a checkpoint to packed files without search ≥ 100 MB/s of fp16 weights a core, growing with cores; peak
// memory at most two layers in fp32 plus 200 MB on a checkpoint ten times that size (QOQ_BENCH_LARGE=1 writes one of
// 3 GB into the temporary folder; without it a smaller one, whose 200 MB would hold it whole, tells only the layers).
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "kernels/quantize/check.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/out_folder.h"
#include "kernels/quantize/quantizer.h"
#include "tests/bench/quantize/repeated_model.h"

namespace qoq::quantize {
namespace {

namespace fs = std::filesystem;

llama::Config sizes(int layers) {
  llama::Config c;
  c.hidden = 1024;
  c.intermediate = 2816;
  c.layers = layers;
  c.heads = 16;
  c.kv_heads = 4;
  c.head_dim = 64;
  c.vocab = 4096;
  return c;
}

/// A model and a result, gone with the benchmark.
struct Folders {
  fs::path root = fs::temp_directory_path() / ("qoq_quantize_bench." + std::to_string(getpid()));
  Folders(const Folders&) = delete;
  Folders& operator=(const Folders&) = delete;
  explicit Folders(int layers) { test::write_repeated_model(root / "model", sizes(layers)); }
  ~Folders() { fs::remove_all(root); }
};

Request request(const Folders& folders, const char* recipe, int threads) {
  Settings settings{scheme_named("w4a8-g128"), GroupRule::Nearest, PackedLayout::QServe, {}};
  settings.recipe = transform::read_recipe(recipe, settings.format());
  return {folders.root / "model", folders.root / "out", {}, settings, "bench", threads};
}

/// The most memory of a process of its own that quantises. It begins with what this one has, so these benchmarks come
/// first.
double peak_bytes(const Request& request) {
  const pid_t child = fork();
  if (child == 0) {
    Listener listener;
    quantize(request, listener);
    _exit(0);
  }
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  return status == 0 ? 1024.0 * static_cast<double>(usage.ru_maxrss) : 0;
}

void peak_memory(benchmark::State& state, const char* recipe) {
  const int layers = std::getenv("QOQ_BENCH_LARGE") != nullptr ? 130 : 24;
  const Folders folders(layers);
  const double layer = 4.0 * static_cast<double>(test::layer_weights(sizes(1)));
  double peak = 0;
  for (auto _ : state) peak = std::max(peak, peak_bytes(request(folders, recipe, 2)));
  state.counters["peak_MB"] = peak / 1e6;
  state.counters["fp32_layer_MB"] = layer / 1e6;
  state.counters["limit_MB"] = (2 * layer + 200e6) / 1e6;
  state.counters["checkpoint_MB"] = layers * layer / 2 / 1e6;
}
BENCHMARK_CAPTURE(peak_memory, round_to_nearest, "rtn")->Iterations(1)->UseRealTime()->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(peak_memory, transforms, "rotation,smooth-attention,smooth-outputs,reorder,clip=weights")
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kSecond);

/// The whole line, files and their syncs included.
void to_packed_files(benchmark::State& state, const char* recipe) {
  const Folders folders(4);
  Listener listener;
  uint64_t parameters = 0;
  for (auto _ : state) {
    fs::remove_all(folders.root / "out");
    parameters += quantize(request(folders, recipe, static_cast<int>(state.range(0))), listener).manifest.parameters;
  }
  state.SetBytesProcessed(static_cast<int64_t>(2 * parameters));
}
BENCHMARK_CAPTURE(to_packed_files, round_to_nearest, "rtn")
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(to_packed_files, qoq_without_calibration, "qoq")
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

/// The part that computes: a layer's matrices in memory to codes.
void quantise_a_layer(benchmark::State& state) {
  const Folders folders(1);
  const ModelSource source(folders.root / "model", scheme_named("w4a8-g128"));
  const llama::Layer layer = source.layer(0);
  for (auto _ : state) {
    for (const std::string_view name : linear_names) {
      benchmark::DoNotOptimize(
          quantize_linear({128, GroupRule::Nearest}, name, fused(layer, name), static_cast<int>(state.range(0))));
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(2 * test::layer_weights(sizes(1))) * state.iterations());
}
BENCHMARK(quantise_a_layer)->ArgName("threads")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::quantize
