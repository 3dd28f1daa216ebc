#pragma once
#include <span>

#include "kernels/llama/weights.h"

namespace qoq::llama {

/// x · Wᵀ + bias: x is [T][inputs], w [outputs][inputs], the result [T][outputs]; an empty bias is none. Each output is
/// 16 interleaved fp32 sums, added in pairs, whatever T, the machine and `threads` are (0: one a core).
/// Throws Fault::Work when the sizes disagree.
Matrix multiply(const Matrix& x, const Matrix& w, std::span<const float> bias = {}, int threads = 0);

/// Σ a·b of `count` elements, in that order.
float dot(const float* a, const float* b, int count);

}  // namespace qoq::llama
