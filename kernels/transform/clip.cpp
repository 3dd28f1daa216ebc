#include "kernels/transform/clip.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/parallel.h"
#include "kernels/llama/attention.h"
#include "kernels/transform/channels.h"
#include "kernels/transform/clip_attention.h"
#include "kernels/transform/clip_row.h"

namespace qoq::transform {

using llama::Layer;
using llama::LayerActivations;
using llama::Matrix;

namespace {

constexpr int most_tokens = 128;
constexpr int most_attention_tokens = 64;

void clip_rows(const WeightFormat& format, Matrix& weight, const Matrix& inputs, int threads) {
  const TokenColumns tokens(spread_rows(inputs, most_tokens));
  const RowCost cost(tokens);
  run_parallel(static_cast<size_t>(weight.rows), threads, [&](size_t i) {
    float* row = weight.row(static_cast<int>(i));
    const std::vector<float> clipped = clip_row({row, static_cast<size_t>(weight.cols)}, format, cost);
    std::copy(clipped.begin(), clipped.end(), row);
  });
}

}  // namespace

std::string clip_weights(bool by_outputs, const WeightFormat& format, const llama::Config& config, Layer& layer,
                         const LayerActivations& activations, int threads) {
  const Matrix none;
  std::string by_weights;
  const auto inputs = [&](const Matrix& recorded, const char* names) -> const Matrix& {
    if (by_outputs && recorded.rows > 0) return recorded;
    by_weights += fmt::format("{}{}", by_weights.empty() ? "" : ", ", names);
    return none;
  };
  const Matrix& attention = inputs(activations.attention_input, "q, k, v");
  const bool scaled = !config.rope_scaling.empty();  // logits at angles of another RoPE would judge wrongly
  if (attention.rows > 0 && !scaled) {
    const std::vector<int> all =
        activations.positions.empty() ? llama::count_positions(attention.rows) : activations.positions;
    std::vector<int> positions;
    for (const int t : spread_indices(attention.rows, most_attention_tokens)) {
      positions.push_back(all[static_cast<size_t>(t)]);
    }
    clip_attention(format, config, layer, spread_rows(attention, most_attention_tokens), positions, threads);
  } else {
    clip_rows(format, layer.q, attention, threads);
    clip_rows(format, layer.k, attention, threads);
  }
  clip_rows(format, layer.v, attention, threads);
  clip_rows(format, layer.o, inputs(activations.output_input, "o"), threads);
  const Matrix& ffn = inputs(activations.ffn_input, "gate, up");
  clip_rows(format, layer.gate, ffn, threads);
  clip_rows(format, layer.up, ffn, threads);
  clip_rows(format, layer.down, inputs(activations.down_input, "down"), threads);
  if (by_weights.empty()) {
    return scaled ? "clip: by the error of outputs (q, k too: attention with a scaled RoPE is not computed)"
                  : "clip: by the error of outputs (q, k: of attention logits)";
  }
  return fmt::format("clip: by the error of weights for {}{}", by_weights, by_outputs ? " (no inputs recorded)" : "");
}

}  // namespace qoq::transform
