#pragma once
#include <span>
#include <vector>

#include "kernels/llama/config.h"

namespace qoq::transform {

/// RoPE's angles at a few positions, by sums and products of doubles only: what a search chooses may not hang on
/// which libm a machine has. Plain RoPE, without a config's scaling of frequencies.
class Rotary {
 public:
  Rotary(const llama::Config& config, std::span<const int> positions);
  /// Rotates one head's numbers to the position of that index.
  void apply(size_t index, float* head) const;

 private:
  size_t half_;
  std::vector<double> cosines_, sines_;  ///< [positions][head_dim/2]
};

}  // namespace qoq::transform
