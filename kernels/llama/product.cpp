#include "kernels/llama/product.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"

namespace qoq::llama {

namespace {

constexpr int lanes = 16;
using Eight = float __attribute__((vector_size(32)));  // half the lanes: as wide as a register

[[gnu::always_inline]] inline void load(const float* from, Eight& low, Eight& high) {
  std::memcpy(&low, from, sizeof low);
  std::memcpy(&high, from + 8, sizeof high);
}

/// Sums of R rows of x with one of w: rows share its loads. Everything is unrolled, so that sums stay in registers.
template <int R>
[[gnu::always_inline]] inline void add_products(const float* x, size_t stride, const float* w, int count, float* sums) {
  Eight low[R] = {}, high[R] = {};
  int k = 0;
  for (; k + lanes <= count; k += lanes) {
    Eight weights_low, weights_high;
    load(w + k, weights_low, weights_high);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      Eight values_low, values_high;
      load(x + static_cast<size_t>(r) * stride + k, values_low, values_high);
      low[r] += values_low * weights_low;
      high[r] += values_high * weights_high;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    std::array<float, lanes> sum;
    std::memcpy(sum.data(), &low[r], sizeof low[r]);
    std::memcpy(sum.data() + 8, &high[r], sizeof high[r]);
    for (int j = 0; k + j < count; ++j)
      sum[static_cast<size_t>(j)] += x[static_cast<size_t>(r) * stride + static_cast<size_t>(k + j)] * w[k + j];
    for (size_t width = lanes / 2; width > 0; width /= 2) {
      for (size_t j = 0; j < width; ++j) sum[j] += sum[j + width];
    }
    sums[r] = sum[0];
  }
}

/// Outputs of `rows` rows (at most 4) of x with one of w.
__attribute__((target_clones("avx2", "default"))) void multiply_rows(const float* x, size_t stride, int rows,
                                                                     const float* w, int count, float* sums) {
  switch (rows) {
    case 1:
      return add_products<1>(x, stride, w, count, sums);
    case 2:
      return add_products<2>(x, stride, w, count, sums);
    case 3:
      return add_products<3>(x, stride, w, count, sums);
    default:
      return add_products<4>(x, stride, w, count, sums);
  }
}

}  // namespace

float dot(const float* a, const float* b, int count) {
  float sum;
  multiply_rows(a, 0, 1, b, count, &sum);
  return sum;
}

Matrix multiply(const Matrix& x, const Matrix& w, std::span<const float> bias, int threads) {
  if (x.cols != w.cols || (!bias.empty() && bias.size() != static_cast<size_t>(w.rows)))
    fail("a product of {} × {} by ({} × {})ᵀ with {} biases", x.rows, x.cols, w.rows, w.cols, bias.size());
  constexpr int token_block = 64, output_block = 32;  // of one piece of work: its tokens stay in the cache
  const int token_blocks = (x.rows + token_block - 1) / token_block;
  const int output_blocks = (w.rows + output_block - 1) / output_block;
  Matrix y(x.rows, w.rows);
  run_parallel(static_cast<size_t>(token_blocks) * static_cast<size_t>(output_blocks), threads, [&](size_t item) {
    const int first = static_cast<int>(item % static_cast<size_t>(token_blocks)) * token_block;
    const int output = static_cast<int>(item / static_cast<size_t>(token_blocks)) * output_block;
    const int last = std::min(first + token_block, x.rows);
    for (int n = output; n < std::min(output + output_block, w.rows); ++n) {
      const float add = bias.empty() ? 0 : bias[static_cast<size_t>(n)];
      for (int t = first; t < last; t += 4) {
        std::array<float, 4> sums;
        const int rows = std::min(4, last - t);
        multiply_rows(x.row(t), static_cast<size_t>(x.cols), rows, w.row(n), x.cols, sums.data());
        for (int r = 0; r < rows; ++r) y.row(t + r)[n] = sums[static_cast<size_t>(r)] + add;
      }
    }
  });
  return y;
}

}  // namespace qoq::llama
