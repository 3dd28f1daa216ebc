#include "kernels/accuracy/quantized_model.h"

#include <algorithm>

#include "kernels/accuracy/cached_attention.h"
#include "kernels/base/error.h"
#include "kernels/llama/forward.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/prepare.h"
#include "kernels/transform/proof.h"

namespace qoq::accuracy {

using llama::Matrix;

namespace {

Matrix columns(const Matrix& m, int first, int count) {
  Matrix part(m.rows, count);
  for (int t = 0; t < m.rows; ++t) std::copy_n(m.row(t) + first, count, part.row(t));
  return part;
}

void add_to(Matrix& x, const Matrix& y) {
  for (size_t i = 0; i < x.values.size(); ++i) x.values[i] += y.values[i];
}

Matrix attention_output(const QuantizedModel& model, const QuantizedLayer& layer, const Matrix& x,
                        std::span<const int> positions, int threads) {
  const llama::Config& c = model.config;
  const Matrix fused = layer.qkv.multiply(llama::rms_norm(x, layer.attention_norm, c.norm_epsilon, threads), threads);
  Matrix q = columns(fused, 0, c.q_width()), k = columns(fused, c.q_width(), c.kv_width());
  const Matrix v = columns(fused, c.q_width() + c.kv_width(), c.kv_width());
  if (!layer.q_norm.empty()) llama::normalize_heads(q, layer.q_norm, c.norm_epsilon, threads);
  if (!layer.k_norm.empty()) llama::normalize_heads(k, layer.k_norm, c.norm_epsilon, threads);
  llama::apply_rope(q, c.head_dim, c.rope_theta, positions, threads);
  llama::apply_rope(k, c.head_dim, c.rope_theta, positions, threads);
  const Matrix heads = attend_cached(c, model.numerics, q, k, v, llama::sequence_starts(positions), threads);
  return layer.o.multiply(heads, threads);
}

Matrix ffn_output(const QuantizedModel& model, const QuantizedLayer& layer, const Matrix& x, int threads) {
  const llama::Config& c = model.config;
  const Matrix fused = layer.gate_up.multiply(llama::rms_norm(x, layer.ffn_norm, c.norm_epsilon, threads), threads);
  return layer.down.multiply(
      llama::gate_up(columns(fused, 0, c.intermediate), columns(fused, c.intermediate, c.intermediate), threads),
      threads);
}

}  // namespace

PreparedModel prepare_model(const llama::Model& model, const transform::Recipe& recipe,
                            const transform::WeightFormat& format,
                            const std::vector<llama::LayerActivations>& calibration, int threads) {
  if (calibration.size() != model.layers.size())
    fail("{} layers' activations for {} layers", calibration.size(), model.layers.size());
  PreparedModel out{model.config, format, model.ends, model.layers, {}, 0};
  for (size_t i = 0; i < out.layers.size(); ++i) {
    llama::LayerActivations seen = calibration[i];
    const transform::Proof proof(model.config, model.layers[i], 16, 1, threads);
    transform::transform_layer(recipe, format, model.config, out.layers[i], seen, threads);
    out.proof = std::max(out.proof, proof.difference(recipe, out.layers[i]));
    if (!(out.proof <= quantize::most_proof))
      fail("layer {}: the transforms change its fp32 function by {:.2g}", i, out.proof);
    out.clipped.push_back(out.layers[i]);
    transform::clip_layer(recipe, format, model.config, out.clipped.back(), seen, threads);
  }
  transform::transform_ends(recipe, out.ends, threads);
  return out;
}

QuantizedModel quantize_model(const PreparedModel& prepared, const Numerics& numerics, int threads) {
  QuantizedModel out{prepared.config, numerics, prepared.ends, {}};
  for (const llama::Layer& layer : numerics.weights ? prepared.clipped : prepared.layers) {
    const auto linear = [&](const char* name, std::vector<float> bias) {
      return QuantizedLinear(name, quantize::fused(layer, name), std::move(bias), prepared.format, numerics, threads);
    };
    out.layers.push_back({layer.attention_norm, layer.ffn_norm, layer.q_norm, layer.k_norm,
                          linear("qkv", quantize::fused_bias(prepared.config, layer)), linear("o", {}),
                          linear("gate_up", {}), linear("down", {})});
  }
  return out;
}

Matrix forward(const QuantizedModel& model, std::span<const int> tokens, std::span<const int> positions, int threads) {
  Matrix x = llama::embed(model.ends, tokens);
  for (const QuantizedLayer& layer : model.layers) {
    add_to(x, attention_output(model, layer, x, positions, threads));
    add_to(x, ffn_output(model, layer, x, threads));
  }
  return llama::read_out(model.config, model.ends, x, threads);
}

}  // namespace qoq::accuracy
