#pragma once
#include <string>

#include "kernels/llama/weights.h"
#include "kernels/transform/weight_format.h"

namespace qoq::transform {

/// Narrows weights' ranges where what is quantised gets better by it (QServe paper, section 4.3.4), by clamping the
/// fp32 weights: a quantiser needs no further parameter. v, o, gate, up and down row by row (clip_row) by the squared
/// error of their outputs on at most 128 recorded tokens; q and k head by head by the squared error of attention logits
/// on at most 64 of them. With `by_outputs` false, or for a
/// linear whose inputs were not recorded, by the weights' squared error. Returns what was done, a sentence.
/// It changes the function, unlike the other transforms.
std::string clip_weights(bool by_outputs, const WeightFormat& format, const llama::Config& config, llama::Layer& layer,
                         const llama::LayerActivations& activations, int threads = 0);

}  // namespace qoq::transform
