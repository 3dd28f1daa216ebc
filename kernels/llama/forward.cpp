#include "kernels/llama/forward.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"
#include "kernels/llama/elementary.h"
#include "kernels/llama/product.h"

namespace qoq::llama {

namespace {

void add_to(Matrix& x, const Matrix& y) {
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
}

Matrix attention_output(const Config& config, const Layer& layer, const Matrix& x, std::span<const int> positions,
                        LayerActivations* recorded, int threads) {
  Matrix input = rms_norm(x, layer.attention_norm, config.norm_epsilon, threads);
  Matrix q = multiply(input, layer.q, layer.q_bias, threads), k = multiply(input, layer.k, layer.k_bias, threads);
  const Matrix v = multiply(input, layer.v, layer.v_bias, threads);
  if (!layer.q_norm.empty()) normalize_heads(q, layer.q_norm, config.norm_epsilon, threads);
  if (!layer.k_norm.empty()) normalize_heads(k, layer.k_norm, config.norm_epsilon, threads);
  apply_rope(q, config.head_dim, config.rope_theta, positions, threads);
  apply_rope(k, config.head_dim, config.rope_theta, positions, threads);
  Matrix heads = attend(config, q, k, v, sequence_starts(positions), threads);
  Matrix output = multiply(heads, layer.o, {}, threads);
  if (recorded != nullptr) {
    recorded->attention_input = std::move(input);
    recorded->queries = std::move(q);
    recorded->keys = std::move(k);
    recorded->output_input = std::move(heads);
    recorded->positions.assign(positions.begin(), positions.end());
  }
  return output;
}

Matrix ffn_output(const Config& config, const Layer& layer, const Matrix& x, LayerActivations* recorded, int threads) {
  Matrix input = rms_norm(x, layer.ffn_norm, config.norm_epsilon, threads);
  Matrix inner = gate_up(multiply(input, layer.gate, {}, threads), multiply(input, layer.up, {}, threads), threads);
  Matrix output = multiply(inner, layer.down, {}, threads);
  if (recorded != nullptr) {
    recorded->ffn_input = std::move(input);
    recorded->down_input = std::move(inner);
  }
  return output;
}

/// What is read of a config and not computed.
void refuse_uncomputed(const Config& config, std::span<const int> positions) {
  if (!config.rope_scaling.empty())
    bad_input("the forward does not compute RoPE with a scaling: {}", config.rope_scaling);
  const std::vector<int> starts = sequence_starts(positions);
  for (size_t t = 0; config.window > 0 && t < starts.size(); ++t) {
    if (static_cast<int>(t) - starts[t] >= config.window)
      bad_input("the forward does not compute a sliding window: a sequence is longer than {} tokens", config.window);
  }
}

}  // namespace

Matrix rms_norm(const Matrix& x, std::span<const float> gain, float epsilon, int threads) {
  Matrix y = x;
  if (gain.size() != static_cast<size_t>(x.cols)) fail("{} gains for {} channels", gain.size(), x.cols);
  normalize_heads(y, gain, epsilon, threads);  // a row is one head
  return y;
}

Matrix gate_up(const Matrix& gate, const Matrix& up, int threads) {
  if (gate.rows != up.rows || gate.cols != up.cols)
    fail("a gate of {} × {} for {} × {}", gate.rows, gate.cols, up.rows, up.cols);
  Matrix y(gate.rows, gate.cols);
  run_parallel(static_cast<size_t>(gate.rows), threads, [&](size_t t) {
    const float *g = gate.row(static_cast<int>(t)), *u = up.row(static_cast<int>(t));
    float* out = y.row(static_cast<int>(t));
    for (int i = 0; i < gate.cols; ++i) {
      const auto x = static_cast<double>(g[i]);
      out[i] = static_cast<float>(x / (1 + exponential(-x))) * u[i];
    }
  });
  return y;
}

Matrix layer_forward(const Config& config, const Layer& layer, const Matrix& x, std::span<const int> positions,
                     LayerActivations* recorded, int threads) {
  refuse_uncomputed(config, positions);
  Matrix y = x;
  add_to(y, attention_output(config, layer, y, positions, recorded, threads));
  add_to(y, ffn_output(config, layer, y, recorded, threads));
  return y;
}

Matrix embed(const Ends& ends, std::span<const int> tokens) {
  Matrix x(static_cast<int>(tokens.size()), ends.embedding.cols);
  for (int t = 0; t < x.rows; ++t) {
    const int token = tokens[static_cast<size_t>(t)];
    if (token < 0 || token >= ends.embedding.rows)
      bad_input("token {} is outside the vocabulary of {}", token, ends.embedding.rows);
    std::copy_n(ends.embedding.row(token), x.cols, x.row(t));
  }
  return x;
}

Matrix read_out(const Config& config, const Ends& ends, const Matrix& x, int threads) {
  return multiply(rms_norm(x, ends.final_norm, config.norm_epsilon, threads),
                  ends.head.values.empty() ? ends.embedding : ends.head, {}, threads);
}

Matrix forward(const Model& model, std::span<const int> tokens, std::span<const int> positions,
               std::vector<LayerActivations>* recorded, int threads) {
  Matrix x = embed(model.ends, tokens);
  if (recorded != nullptr) recorded->resize(model.layers.size());
  for (size_t i = 0; i < model.layers.size(); ++i)
    x = layer_forward(model.config, model.layers[i], x, positions, recorded == nullptr ? nullptr : &(*recorded)[i],
                      threads);
  return read_out(model.config, model.ends, x, threads);
}

}  // namespace qoq::llama
