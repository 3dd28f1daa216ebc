#pragma once
#include <span>

#include "kernels/llama/weights.h"

namespace qoq::transform {

/// Moves both RMSNorm gains of a layer into the columns of the weights that read the normalised stream (q, k, v; gate,
/// up) and leaves gains of one, so that the stream may be rotated. Recorded inputs lose the gain; where a gain is 0 the
/// recorded channel stays 0: what it was before the gain is not known.
/// Activations `held_out` follow and choose nothing.
void fold_norms(llama::Layer& layer, llama::LayerActivations& activations, llama::LayerActivations* held_out = nullptr);

/// The final norm's gain into the head's columns; any block of the head's rows.
void fold_final_norm(std::span<const float> gain, llama::Matrix& head_rows);

}  // namespace qoq::transform
