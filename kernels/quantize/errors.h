#pragma once
#include <cstdint>
#include <span>

#include "kernels/llama/weights.h"
#include "kernels/qoq/linear.h"

namespace qoq::quantize {

/// How far quantised weights are from the fp32 ones they stand for. Sums add up over linears.
struct WeightErrors {
  double squared_error = 0;  ///< Σ (w − ŵ)²
  double squared_sum = 0;    ///< Σ w²
  double max_error = 0;      ///< max |w − ŵ|
  uint64_t clipped = 0;      ///< weights further than half a step from theirs: the end of a range cut them
  uint64_t count = 0;

  double relative_mse() const { return squared_sum > 0 ? squared_error / squared_sum : 0; }
  /// Signal to quantisation noise, 10·log10(Σ w² / Σ (w − ŵ)²); infinite without an error.
  double sqnr_db() const;
  double clipped_share() const { return count > 0 ? static_cast<double>(clipped) / static_cast<double>(count) : 0; }
  WeightErrors& operator+=(const WeightErrors& other);
};

/// `w` is [n][k]. Throws Fault::Input when sizes disagree. Sums are of doubles, row by row and then over rows in order.
WeightErrors weight_errors(std::span<const float> w, const LinearWeights& weights, int threads);

/// The same of outputs: y of the fp32 weights and inputs against the int8 × int4 GEMM's.
struct OutputErrors {
  double squared_error = 0;  ///< Σ (y − ŷ)²
  double squared_sum = 0;    ///< Σ y²

  double relative_mse() const { return squared_sum > 0 ? squared_error / squared_sum : 0; }
  OutputErrors& operator+=(const OutputErrors& other);
};

/// y = x · wᵀ in fp32 beside ŷ: `quantised_x` in int8 a token, through the integer reference GEMM to fp16
/// (kernels/gemm/reference.h, its very functions). x is [T][k]; `quantised_x` is usually x, but differs where the fp32
/// function is that of untransformed weights. Throws Fault::Input for inputs that cannot be quantised.
OutputErrors output_errors(const llama::Matrix& x, std::span<const float> w, const llama::Matrix& quantised_x,
                           const LinearWeights& weights, int threads);

/// `rows` rows of a standard normal distribution, the same for the same seed: inputs where nothing was recorded.
llama::Matrix random_inputs(int rows, int cols, uint64_t seed);

/// At most `rows` rows of x, evenly spaced from the first.
llama::Matrix sampled_rows(const llama::Matrix& x, int rows);

}  // namespace qoq::quantize
