#pragma once
#include <fmt/format.h>

#include <string>

#include "kernels/llama/weights.h"

namespace qoq::llama {

/// What stands before the names of a layer's tensors: "model.layers.3.".
inline std::string layer_prefix(int layer) { return fmt::format("model.layers.{}.", layer); }

/// Calls matrix(name, weights, rows, cols) and vector(name, weights, count) for every tensor of a layer, in the order
/// of its function, with its name in a Hugging Face checkpoint and the shape that the config makes it. `layer` is a
/// Layer or a const Layer; its members may be empty.
template <class AnyLayer, class OnMatrix, class OnVector>
void each_layer_tensor(const Config& c, AnyLayer& layer, int index, const OnMatrix& matrix, const OnVector& vector) {
  const std::string prefix = layer_prefix(index), attention = prefix + "self_attn.", ffn = prefix + "mlp.";
  vector(prefix + "input_layernorm.weight", layer.attention_norm, c.hidden);
  matrix(attention + "q_proj.weight", layer.q, c.q_width(), c.hidden);
  matrix(attention + "k_proj.weight", layer.k, c.kv_width(), c.hidden);
  matrix(attention + "v_proj.weight", layer.v, c.kv_width(), c.hidden);
  if (c.family == Family::Qwen2) {
    vector(attention + "q_proj.bias", layer.q_bias, c.q_width());
    vector(attention + "k_proj.bias", layer.k_bias, c.kv_width());
    vector(attention + "v_proj.bias", layer.v_bias, c.kv_width());
  }
  if (c.family == Family::Qwen3) {
    vector(attention + "q_norm.weight", layer.q_norm, c.head_dim);
    vector(attention + "k_norm.weight", layer.k_norm, c.head_dim);
  }
  matrix(attention + "o_proj.weight", layer.o, c.hidden, c.q_width());
  vector(prefix + "post_attention_layernorm.weight", layer.ffn_norm, c.hidden);
  matrix(ffn + "gate_proj.weight", layer.gate, c.intermediate, c.hidden);
  matrix(ffn + "up_proj.weight", layer.up, c.intermediate, c.hidden);
  matrix(ffn + "down_proj.weight", layer.down, c.hidden, c.intermediate);
}

template <class AnyEnds, class OnMatrix, class OnVector>
void each_end_tensor(const Config& c, AnyEnds& ends, const OnMatrix& matrix, const OnVector& vector) {
  matrix("model.embed_tokens.weight", ends.embedding, c.vocab, c.hidden);
  vector("model.norm.weight", ends.final_norm, c.hidden);
  if (!c.tied) matrix("lm_head.weight", ends.head, c.vocab, c.hidden);
}

}  // namespace qoq::llama
