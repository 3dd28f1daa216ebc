#pragma once
#include <cstdint>

#include "kernels/llama/weights.h"
#include "kernels/transform/recipe.h"

namespace qoq::transform {

/// That a layer's fp32 function survived its transforms, measured on a few tokens. Made before they run; keeps only
/// the tokens and what the layer made of them, not the layer:
///   const Proof proof(config, layer);
///   transform_layer(recipe, format, config, layer, activations);
///   if (proof.difference(recipe, layer) > 1e-4) …
class Proof {
 public:
  /// `tokens` rows of the residual stream, uniform in ±1 with every 61st channel 20 times as large, at positions
  /// 0, 1, …; the same for the same seed. RoPE is plain whatever the config scales: no transform depends on its angles.
  Proof(const llama::Config& config, const llama::Layer& before, int tokens = 16, uint64_t seed = 1, int threads = 0);

  /// ‖y' − y‖ / ‖y − x‖ of the worst token: x into the layer, y out of it, so the error is relative to what the layer
  /// adds and the stream that passes by hides nothing. A recipe that rotates has x and y rotated. Infinite for outputs
  /// that are not finite.
  double difference(const Recipe& recipe, const llama::Layer& after) const;

 private:
  llama::Config config_;
  int threads_;
  llama::Matrix x_, y_;
};

}  // namespace qoq::transform
