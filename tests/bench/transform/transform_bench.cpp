// What a transform costs beside the quantiser (fp16 bytes of weights a second, one thread). Without search all of them
// together should stay near its 100 MB/s; searches say what they cost.
#include <benchmark/benchmark.h>

#include "kernels/base/random.h"
#include "kernels/transform/clip_row.h"
#include "kernels/transform/recipe.h"
#include "kernels/transform/rotation.h"

namespace qoq::transform {
namespace {

llama::Matrix matrix(int rows, int cols, uint64_t seed) {
  Random random(seed);
  llama::Matrix m(rows, cols);
  for (float& value : m.values) value = random.uniform(-1, 1) * random.uniform(0, 0.1F);
  return m;
}

void rotate_rows_of(benchmark::State& state) {
  const Hadamard hadamard = rotation_of(static_cast<int>(state.range(0)));
  llama::Matrix w = matrix(1024, hadamard.size(), 1);
  for (auto _ : state) rotate_rows(hadamard, w, 1);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(w.values.size()) * 2);
}
BENCHMARK(rotate_rows_of)->Arg(4096)->Arg(3584)->Arg(6656)->Unit(benchmark::kMillisecond);

void rotate_columns_of(benchmark::State& state) {
  const Hadamard hadamard = rotation_of(static_cast<int>(state.range(0)));
  llama::Matrix w = matrix(hadamard.size(), 1024, 1);
  for (auto _ : state) rotate_columns(hadamard, w, 1);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(w.values.size()) * 2);
}
BENCHMARK(rotate_columns_of)->Arg(4096)->Arg(3584)->Arg(6656)->Unit(benchmark::kMillisecond);

struct Case {
  llama::Config config;
  llama::Layer layer;
  llama::LayerActivations activations;
};

/// A layer with 1/16 of Llama-3-8B's weights, and 128 tokens.
Case small_layer() {
  Case made;
  llama::Config& c = made.config;
  c.hidden = 1024, c.intermediate = 3584, c.heads = 8, c.kv_heads = 2, c.head_dim = 128;
  llama::Layer& l = made.layer;
  l.attention_norm.assign(1024, 1), l.ffn_norm.assign(1024, 1);
  l.q = matrix(1024, 1024, 1), l.k = matrix(256, 1024, 2), l.v = matrix(256, 1024, 3), l.o = matrix(1024, 1024, 4);
  l.gate = matrix(3584, 1024, 5), l.up = matrix(3584, 1024, 6), l.down = matrix(1024, 3584, 7);
  llama::LayerActivations& a = made.activations;
  a.attention_input = matrix(128, 1024, 8), a.queries = matrix(128, 1024, 9), a.keys = matrix(128, 256, 10);
  a.output_input = matrix(128, 1024, 11), a.ffn_input = matrix(128, 1024, 12), a.down_input = matrix(128, 3584, 13);
  return made;
}

void transform_and_clip(benchmark::State& state, const char* text) {
  const Case original = small_layer();
  const WeightFormat format;
  const Recipe recipe = read_recipe(text, format);
  for (auto _ : state) {
    state.PauseTiming();
    Case copy = original;
    state.ResumeTiming();
    transform_layer(recipe, format, copy.config, copy.layer, copy.activations, 1);
    clip_layer(recipe, format, copy.config, copy.layer, copy.activations, 1);
  }
  const llama::Layer& l = original.layer;
  size_t weights = 0;
  for (const llama::Matrix* m : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) weights += m->values.size();
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(weights) * 2);
}
BENCHMARK_CAPTURE(transform_and_clip, unsearched, "rotation,smooth-attention,smooth-outputs,reorder")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(transform_and_clip, searched_strengths,
                  "rotation,smooth-attention=search,smooth-outputs=search,reorder")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(transform_and_clip, clip_weights, "clip=weights")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(transform_and_clip, clip_outputs, "clip=outputs")->Unit(benchmark::kMillisecond);

/// Tokens of independent channels and one number that all share, `common` times as large; every 337th channel is ten
/// times as large.
llama::Matrix correlated_tokens(int count, int channels, uint64_t seed, float common) {
  Random random(seed);
  llama::Matrix x(count, channels);
  for (int t = 0; t < count; ++t) {
    const float shared = random.uniform(-1, 1) * common;
    for (int c = 0; c < channels; ++c) x.row(t)[c] = (random.uniform(-1, 1) + shared) * (c % 337 == 5 ? 10.0F : 1.0F);
  }
  return x;
}

/// Normal rows, one weight of a hundred three times as large.
std::vector<float> tailed_row(int size, uint64_t seed) {
  Random random(seed);
  std::vector<float> row(static_cast<size_t>(size));
  for (float& w : row) {
    for (int i = 0; i < 4; ++i) w += random.uniform(-1, 1);
    if (random.uniform(0, 1) < 0.01F) w *= 3;
  }
  return row;
}

double row_error(const std::vector<float>& row, const std::vector<float>& exact, const WeightFormat& format,
                 const TokenColumns& tokens) {
  std::vector<float> lost = quantised_row(row, format);
  for (size_t i = 0; i < lost.size(); ++i) lost[i] -= exact[i];
  return RowCost(tokens).of(lost, 0);
}

/// Clipping twelve rows by 128 tokens; the counters are output errors after over before, on those tokens and on others.
void clip_rows_by_outputs(benchmark::State& state) {
  const WeightFormat format{static_cast<int>(state.range(0))};
  const int k = static_cast<int>(state.range(1));
  const float common = static_cast<float>(state.range(2)) / 10.0F;
  const TokenColumns seen(correlated_tokens(128, k, 6, common)), unseen(correlated_tokens(128, k, 7, common));
  double seen_before = 0, seen_after = 0, unseen_before = 0, unseen_after = 0;
  for (auto _ : state) {
    seen_before = seen_after = unseen_before = unseen_after = 0;
    for (uint64_t seed = 0; seed < 12; ++seed) {
      const std::vector<float> row = tailed_row(k, seed), clipped = clip_row(row, format, RowCost(seen));
      seen_before += row_error(row, row, format, seen), seen_after += row_error(clipped, row, format, seen);
      unseen_before += row_error(row, row, format, unseen), unseen_after += row_error(clipped, row, format, unseen);
    }
  }
  state.counters["seen"] = seen_after / seen_before;
  state.counters["unseen"] = unseen_after / unseen_before;
}
BENCHMARK(clip_rows_by_outputs)
    ->ArgNames({"group", "k", "tenths_common"})
    ->ArgsProduct({{128, 32, 0}, {1024, 7168}, {0, 1, 10}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::transform
