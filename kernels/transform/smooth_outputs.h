#pragma once
#include <string>

#include "kernels/llama/weights.h"
#include "kernels/transform/weight_format.h"

namespace qoq::transform {

/// An input channel of o or down is divided by s = max|x|^alpha / max|w|^beta and its column multiplied by it (QServe
/// paper, section 4.3.2). The division is folded into what makes the channel: a row of v (the same s for every query
/// head that a KV head serves) or of up.
struct OutputStrength {
  double alpha = 0.3;
  double beta = 0.7;
  bool search = false;  ///< alpha in eighths with beta = 1 − alpha, or no scale at all, by the error of outputs
};

/// Without recorded inputs of o or down alpha is 0: from the weights alone. Recorded inputs follow,
/// those `held_out` without choosing. Returns what was chosen, a sentence for o and one for down.
std::vector<std::string> smooth_outputs(const OutputStrength& strength, const WeightFormat& format,
                                        const llama::Config& config, llama::Layer& layer,
                                        llama::LayerActivations& activations, int threads = 0,
                                        llama::LayerActivations* held_out = nullptr);

}  // namespace qoq::transform
