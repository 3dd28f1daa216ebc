#pragma once
#include "kernels/llama/weights.h"

namespace qoq::accuracy {

/// How near a model's next-token logits are to another's, over all positions.
struct Agreement {
  double cosine = 0;   ///< of the two rows of logits, mean
  double kl = 0;       ///< KL(reference ‖ model) in nats, mean
  double top1 = 0;     ///< share of positions whose most probable token is the same
  double entropy = 0;  ///< of the reference's distributions in nats, mean: what kl is to be seen beside
  int positions = 0;
  bool operator==(const Agreement&) const = default;
};

/// Both are [T][vocab]. Throws Fault::Work when they are not of one shape.
Agreement agreement(const llama::Matrix& reference, const llama::Matrix& logits);

}  // namespace qoq::accuracy
