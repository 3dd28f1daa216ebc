// Targets, per core: quantising without search ≥ 50 M weights/s (100 MB/s of fp16 weights); packing and unpacking
// ≥ 1 GB/s of codes, one byte each.
#include <benchmark/benchmark.h>

#include "kernels/base/random.h"
#include "kernels/qoq/activation.h"
#include "kernels/qoq/progressive.h"

namespace qoq {
namespace {

constexpr int n = 1024, k = 4096;

std::vector<float> weights() {
  Random random(1);
  std::vector<float> w(static_cast<size_t>(n) * k);
  for (float& value : w) value = random.uniform(-1.0f, 1.0f) * random.uniform(0.0f, 0.1f);
  return w;
}

std::vector<uint8_t> codes() {
  return Random(2).bytes<uint8_t>(static_cast<size_t>(n) * k,
                                  [](uint8_t byte) { return static_cast<uint8_t>(byte & 15); });
}

void count_weights(benchmark::State& state) { state.SetItemsProcessed(state.iterations() * n * k); }
void count_codes(benchmark::State& state) { state.SetBytesProcessed(state.iterations() * n * k); }

void quantize_in_groups(benchmark::State& state) {
  const std::vector<float> w = weights();
  const auto rule = static_cast<GroupRule>(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(quantize_groups(w, n, k, 128, rule, 1));
  count_weights(state);
}
BENCHMARK(quantize_in_groups)
    ->ArgName("rule")
    ->Arg(static_cast<int>(GroupRule::Nearest))
    ->Arg(static_cast<int>(GroupRule::Covering))
    ->Arg(static_cast<int>(GroupRule::LeastError))
    ->Unit(benchmark::kMillisecond);

void quantize_per_channel(benchmark::State& state) {
  const std::vector<float> w = weights();
  for (auto _ : state) benchmark::DoNotOptimize(quantize_channels(w, n, k, state.range(0) != 0, 1));
  count_weights(state);
}
BENCHMARK(quantize_per_channel)->ArgName("clip")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

void quantize_activations(benchmark::State& state) {
  const std::vector<float> x = weights();
  for (auto _ : state) benchmark::DoNotOptimize(quantize_tokens(x, n, k));
  count_weights(state);
}
BENCHMARK(quantize_activations)->Unit(benchmark::kMillisecond);

void pack_weights(benchmark::State& state) {
  const std::vector<uint8_t> q4 = codes();
  for (auto _ : state) benchmark::DoNotOptimize(pack_qserve_weights(q4, n, k));
  count_codes(state);
}
BENCHMARK(pack_weights)->Unit(benchmark::kMillisecond);

void unpack_weights(benchmark::State& state) {
  const std::vector<uint8_t> packed = pack_qserve_weights(codes(), n, k);
  for (auto _ : state) benchmark::DoNotOptimize(unpack_qserve_weights(packed, n, k));
  count_codes(state);
}
BENCHMARK(unpack_weights)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq
