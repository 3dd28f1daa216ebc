#pragma once
#include <span>
#include <vector>

#include "kernels/llama/attention.h"
#include "kernels/llama/weights.h"

namespace qoq::llama {

/// The decoder in plain fp32: what quantising is measured against. The same bit for bit on every machine and on any
/// number of threads (0: one a core). Throws Fault::Work when sizes disagree, Fault::Input for a scaling of RoPE and
/// for sequences longer than a sliding window, which it does not compute.

/// x / sqrt(mean(x²) + epsilon) · gain, row by row.
Matrix rms_norm(const Matrix& x, std::span<const float> gain, float epsilon, int threads = 0);

/// silu(gate) · up, where silu(x) = x / (1 + e^−x).
Matrix gate_up(const Matrix& gate, const Matrix& up, int threads = 0);

/// One layer's function of the residual stream x, [T][hidden], as weights.h states it. `positions` [T] tell sequences
/// apart too (attention.h). What goes into its parts is left in `recorded`, if that is not null.
Matrix layer_forward(const Config& config, const Layer& layer, const Matrix& x, std::span<const int> positions,
                     LayerActivations* recorded = nullptr, int threads = 0);

/// The embedding's rows of some tokens, [T][hidden]. Throws Fault::Input for a token outside the vocabulary.
Matrix embed(const Ends& ends, std::span<const int> tokens);

/// Logits [T][vocab] of the last layer's output.
Matrix read_out(const Config& config, const Ends& ends, const Matrix& x, int threads = 0);

/// Logits [T][vocab]. `recorded` is filled with one entry a layer, if it is not null.
Matrix forward(const Model& model, std::span<const int> tokens, std::span<const int> positions,
               std::vector<LayerActivations>* recorded = nullptr, int threads = 0);

}  // namespace qoq::llama
