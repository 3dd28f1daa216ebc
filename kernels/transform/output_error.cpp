#include "kernels/transform/output_error.h"

#include <limits>
#include <numeric>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"
#include "kernels/qoq/activation.h"
#include "kernels/transform/channels.h"

namespace qoq::transform {

using llama::Matrix;

namespace {

constexpr double no_error_known = std::numeric_limits<double>::infinity();

/// What int8 keeps of the tokens; no rows where it cannot hold them.
Matrix quantised_tokens(const Matrix& x) {
  try {
    const TokenActivations tokens = quantize_tokens(x.values, x.rows, x.cols);
    Matrix kept(x.rows, x.cols);
    for (size_t i = 0; i < kept.values.size(); ++i) {
      kept.values[i] = static_cast<float>(tokens.q[i]) * half_to_float(tokens.sx[i / static_cast<size_t>(x.cols)]);
    }
    return kept;
  } catch (const Error&) {
    return {};
  }
}

/// sums[t] += weight · x[t]; wider vectors round no differently.
__attribute__((target_clones("avx2", "default"))) void add_product(float weight, const float* x, float* sums,
                                                                   size_t count) {
  for (size_t t = 0; t < count; ++t) sums[t] += weight * x[t];
}

}  // namespace

TokenColumns::TokenColumns(const Matrix& x) : tokens(x.rows), values(x.values.size()) {
  for (int t = 0; t < x.rows; ++t) {
    for (int c = 0; c < x.cols; ++c)
      values[static_cast<size_t>(c) * static_cast<size_t>(tokens) + static_cast<size_t>(t)] = x.row(t)[c];
  }
}

void TokenColumns::accumulate(std::span<const float> w, int first, std::span<float> sums) const {
  const float* x = values.data() + static_cast<size_t>(first) * sums.size();
  for (const float weight : w) {
    add_product(weight, x, sums.data(), sums.size());
    x += sums.size();
  }
}

double output_error(const Matrix& weights, const Matrix& x, std::span<const float> scales, const WeightFormat& format,
                    bool quantise_tokens, int threads) {
  Matrix scaled = x;
  divide_columns(scaled, scales);
  if (quantise_tokens) scaled = quantised_tokens(scaled);
  if (scaled.rows != x.rows) return no_error_known;
  const TokenColumns exact(x), kept(scaled);
  std::vector<double> errors(static_cast<size_t>(weights.rows));
  run_parallel(errors.size(), threads, [&](size_t row) {
    const std::span<const float> w(weights.row(static_cast<int>(row)), scales.size());
    std::vector<float> wide(w.begin(), w.end()), sums(static_cast<size_t>(x.rows)), wanted(sums.size());
    scale(wide, scales);
    const std::vector<float> quantised = quantised_row(wide, format);
    if (quantised.empty()) {
      errors[row] = no_error_known;
      return;
    }
    kept.accumulate(quantised, 0, sums);
    exact.accumulate(w, 0, wanted);
    for (size_t t = 0; t < sums.size(); ++t) {
      const double difference = static_cast<double>(sums[t]) - wanted[t];
      errors[row] += difference * difference;
    }
  });
  return std::accumulate(errors.begin(), errors.end(), 0.0);
}

}  // namespace qoq::transform
