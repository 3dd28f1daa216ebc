#pragma once
#include "kernels/llama/weights.h"
#include "kernels/transform/weight_format.h"

namespace qoq::transform {

/// Tokens as searches read them: channel by channel, so that a row of weights walks them in order.
struct TokenColumns {
  int tokens = 0;
  std::vector<float> values;  ///< [K][tokens]

  TokenColumns() = default;
  explicit TokenColumns(const llama::Matrix& x);
  /// sums[t] += w·x over channels first … first + w.size() − 1, in their order.
  void accumulate(std::span<const float> w, int first, std::span<float> sums) const;
};

/// Σ (y' − y)² over tokens and outputs of one linear, y = x·Wᵀ, y' with the weights quantised (and the tokens in int8
/// where `quantise_tokens`), after every input channel was divided by `scales` and its column multiplied by it.
/// Infinite where a row or a token cannot be quantised. Threads do not change the result.
double output_error(const llama::Matrix& weights, const llama::Matrix& x, std::span<const float> scales,
                    const WeightFormat& format, bool quantise_tokens, int threads = 0);

}  // namespace qoq::transform
