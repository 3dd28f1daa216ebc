#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace qoq::roofline {

/// A weight matrix: C[m, n] = A[m, k] · W[n, k]^T.
struct LinearShape {
  const char* layer;  ///< "qkv", "o", "gate_up", "down"
  int64_t n = 0, k = 0;
  double weights() const { return static_cast<double>(n) * static_cast<double>(k); }
};

/// A decoder's sizes (Llama-style: GQA, SwiGLU), on one GPU.
struct ModelShape {
  std::string name;
  int64_t hidden = 0, intermediate = 0;
  int layers = 0, q_heads = 0, kv_heads = 0, head_dim = 0;
  int64_t vocab = 0;

  std::array<LinearShape, 4> linears() const {
    const int64_t q = int64_t{q_heads} * head_dim, kv = int64_t{kv_heads} * head_dim;
    return {{{"qkv", q + 2 * kv, hidden},
             {"o", hidden, q},
             {"gate_up", 2 * intermediate, hidden},
             {"down", hidden, intermediate}}};
  }
  /// Of all layers' four matrices.
  double linear_weights() const {
    double sum = 0;
    for (const LinearShape& linear : linears()) sum += layers * linear.weights();
    return sum;
  }
  /// Keys and values of one cached token.
  double cached_elements() const { return 2.0 * layers * kv_heads * head_dim; }
};

}  // namespace qoq::roofline
