#pragma once
#include <string>

#include "kernels/llama/weights.h"

namespace qoq::transform {

/// Input channels of down, and of o within each head, sorted by the largest of their activations, so that channels of
/// like weight share a quantisation group (QServe paper, section 4.3.3). The rows that make the channels (gate and up;
/// v) are permuted alike. All query heads of a KV head have one order. The residual stream keeps its order: embedding
/// and every layer would have to agree on it. Heads stay where they are, so o gains only where a group is smaller than
/// a head. Recorded inputs follow (those `held_out` without choosing); without them columns of the weights are sorted
/// by their own largest. Returns what was chosen.
std::string reorder_channels(const llama::Config& config, llama::Layer& layer, llama::LayerActivations& activations,
                             llama::LayerActivations* held_out = nullptr);

}  // namespace qoq::transform
