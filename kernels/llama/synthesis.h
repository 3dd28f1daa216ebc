#pragma once
#include <cstdint>
#include <vector>

#include "kernels/llama/weights.h"

namespace qoq::llama {

/// A decoder of random weights in the shape of a trained one: what quantisation is studied on where there is no
/// checkpoint. The same bits from the same arguments on every machine. What is copied from trained models:
///   weights      Student's t with 5 degrees of freedom; rows and norm gains differ in size (log-normal, sigma 0.3)
///   stream       hidden/64 channels (at least 2) are `outliers` times as large as the others, of constant sign and
///                nearly constant size, from the embedding on; weights that read them are smaller by its square root
///   keys         one channel of every KV head is 1 + (outliers − 1)/4 times as large (rows of W_K, Qwen3: k_norm;
///   Qwen2:
///                a bias of that size too); the queries' is smaller by its square root only
///   down inputs  the rows of W_up of intermediate/128 channels (at least 2) are 1 + (outliers − 1)/4 times as large:
///                such a channel is large where its gate is open; the columns of W_down that read them are smaller by
///                its square root
/// Sizes are then set by what a probe of 256 tokens sees: normalised ordinary channels of 1, attention logits that
/// spread by 1.5, updates half as large as the stream, next-token logits that spread by 3: distributions neither flat
/// nor certain. Nothing else about the model is chosen, and none of it by a quantizer.
/// `outliers` of 1: none. Throws Fault::Input for outliers outside 1 … 1024 and for a tied config, whose logits would
/// all name the token just read.
Model synthesize(const Config& config, uint64_t seed, double outliers);

/// A small model's sizes: hidden 256, 4 layers, 8 heads on 2 KV heads of 64, intermediate 768, vocabulary 512.
Config synthetic_config(Family family);

/// Tokens as words fall in a text: token r with a probability of 1/(r + 2.7), each drawn for itself.
std::vector<int> draw_tokens(int vocab, int count, uint64_t seed);

/// Positions 0 … length − 1 again and again, `count` in all.
std::vector<int> repeat_positions(int length, int count);

}  // namespace qoq::llama
