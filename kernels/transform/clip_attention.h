#pragma once
#include "kernels/llama/weights.h"
#include "kernels/transform/weight_format.h"

namespace qoq::transform {

/// Clips q and k: for each head the rows clamped by one ratio of clip_ratios, or each row as clip_row would by its own
/// outputs, whichever keeps attention logits (before softmax, all recorded pairs of a query and a key) best when that
/// side alone is quantised. `x` are tokens' attention inputs, [T][hidden], `positions` [T] theirs under RoPE.
void clip_attention(const WeightFormat& format, const llama::Config& config, llama::Layer& layer,
                    const llama::Matrix& x, std::span<const int> positions, int threads = 0);

}  // namespace qoq::transform
