#pragma once
#include <span>
#include <vector>

#include "kernels/llama/weights.h"

namespace qoq::llama {

/// Positions 0 … count − 1.
std::vector<int> count_positions(int count);

/// Rows of a table of tokens belong to one sequence or to several, one after another: a position that is not greater
/// than the one before begins a new one. The first row of each row's sequence.
std::vector<int> sequence_starts(std::span<const int> positions);

/// Rotates every head of every row: channels i and i + head_dim/2 by the angle position · theta^(−2i / head_dim)
/// (Su et al., arXiv 2104.09864, in Hugging Face's order of channels).
void apply_rope(Matrix& rows, int head_dim, double theta, std::span<const int> positions, int threads = 0);

/// RMSNorm of every head by one gain of [head_dim] (Qwen3's q_norm and k_norm).
void normalize_heads(Matrix& rows, std::span<const float> gain, float epsilon, int threads = 0);

/// Causal attention, scaled by head_dim^-½; a KV head serves heads / kv_heads query heads that follow one another.
/// q [T][heads · head_dim], k and v [T][kv_heads · head_dim], the result as q; `starts` as sequence_starts gives them.
Matrix attend(const Config& config, const Matrix& q, const Matrix& k, const Matrix& v, std::span<const int> starts,
              int threads = 0);

}  // namespace qoq::llama
