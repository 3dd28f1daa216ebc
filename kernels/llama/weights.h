#pragma once
#include <cstddef>
#include <vector>

#include "kernels/llama/config.h"

namespace qoq::llama {

/// Row-major fp32.
struct Matrix {
  int rows = 0;
  int cols = 0;
  std::vector<float> values;  ///< [rows][cols]

  Matrix() = default;
  Matrix(int rows_, int cols_)
      : rows(rows_), cols(cols_), values(static_cast<size_t>(rows_) * static_cast<size_t>(cols_)) {}
  float* row(int r) { return values.data() + static_cast<size_t>(r) * static_cast<size_t>(cols); }
  const float* row(int r) const { return values.data() + static_cast<size_t>(r) * static_cast<size_t>(cols); }
  bool operator==(const Matrix&) const = default;
};

/// One decoder layer in fp32, as Hugging Face stores it: every projection is [outputs][inputs] and computes
/// y = x · Wᵀ + bias. A layer's function:
///   a = rms_norm(x) · attention_norm;  x += o(attention(rope(q_norm(q(a))), rope(k_norm(k(a))), v(a)))
///   f = rms_norm(x) · ffn_norm;        x += down(silu(gate(f)) · up(f))
struct Layer {
  std::vector<float> attention_norm;          ///< [hidden]
  std::vector<float> ffn_norm;                ///< [hidden]
  Matrix q;                                   ///< [heads · head_dim][hidden]
  Matrix k, v;                                ///< [kv_heads · head_dim][hidden]
  Matrix o;                                   ///< [hidden][heads · head_dim]
  Matrix gate, up;                            ///< [intermediate][hidden]
  Matrix down;                                ///< [hidden][intermediate]
  std::vector<float> q_bias, k_bias, v_bias;  ///< empty: none (Qwen2 has them)
  std::vector<float> q_norm, k_norm;          ///< [head_dim], the same for every head; empty: none (Qwen3 has them)
  bool operator==(const Layer&) const = default;
};

/// What is not of a layer.
struct Ends {
  Matrix embedding;               ///< [vocab][hidden]
  std::vector<float> final_norm;  ///< [hidden]
  Matrix head;                    ///< [vocab][hidden]; empty where the embedding serves (tied)
  bool operator==(const Ends&) const = default;
};

struct Model {
  Config config;
  Ends ends;
  std::vector<Layer> layers;
};

/// What went into a layer's parts, one row a token (the calibration of one layer). Matrices may be empty: not recorded.
struct LayerActivations {
  Matrix attention_input;  ///< [T][hidden], after the norm and its gain: q, k and v take it
  Matrix queries;          ///< [T][heads · head_dim], after RoPE
  Matrix keys;             ///< [T][kv_heads · head_dim], after RoPE
  Matrix output_input;     ///< [T][heads · head_dim]: o takes it
  Matrix ffn_input;        ///< [T][hidden], after the norm and its gain: gate and up take it
  Matrix down_input;       ///< [T][intermediate]: down takes it
  /// [T] of queries and keys; empty: 0 … T − 1. A position not greater than the one before begins a new sequence.
  std::vector<int> positions;
};

}  // namespace qoq::llama
