#pragma once
#include <string>
#include <vector>

#include "kernels/llama/weights.h"

namespace qoq::transform {

/// Outlier channels of the keys move into the queries: q·k = (q·λ)·(k/λ), so that keys in 4 bits lose less (QServe
/// paper, section 4.2). λ = max|k|^alpha of a channel, the same for the two channels of a RoPE pair (i and
/// i + head_dim/2) or rotation and scaling would not commute, and the same for all query heads of a KV head.
struct AttentionStrength {
  double alpha = 0.5;   ///< 0 … 1
  bool search = false;  ///< alpha by the squared error of logits under 4-bit keys, in eighths; needs queries and keys
};

/// λ [kv_heads][head_dim] from what is the largest of each key channel [kv_heads · head_dim]; a pair of zeros has 1.
std::vector<float> attention_scales(const llama::Config& config, const std::vector<float>& key_maxima, double alpha);

/// Folds λ into W_Q, W_K and their biases; where keys are normalised (Qwen3) into the norms' gains, with one λ for all
/// heads. Without recorded keys the lengths of W_K's rows (plus |bias|, times the key norm's gain) stand for their
/// largest. Recorded queries and keys follow, those `held_out` without choosing. Returns
/// what was chosen.
std::string smooth_attention(const AttentionStrength& strength, const llama::Config& config, llama::Layer& layer,
                             llama::LayerActivations& activations, int threads = 0,
                             llama::LayerActivations* held_out = nullptr);

/// Σ over every recorded query and key of each query head of ((q·k') − (q·k))², k' what 4 bits keep of k/λ, times λ;
/// of one KV head, on at most 128 tokens.
double logit_error(const llama::Config& config, const llama::LayerActivations& activations, int kv_head,
                   const std::vector<float>& scales);

}  // namespace qoq::transform
