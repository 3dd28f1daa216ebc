#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/checkpoint/packed.h"
#include "kernels/llama/weights.h"

namespace qoq::test {

/// A layer as `quantize` leaves it, and what it was made from.
struct QuantizedLayer {
  llama::Config config;
  llama::Layer layer;  ///< fp32, before it was quantised (round to nearest: no transform)
  std::filesystem::path file;
};

/// Six query heads on two KV heads of 64, hidden 256, intermediate 384: qkv 640×256 (no multiple of a 256-column tile),
/// o 256×384, gate_up 768×256, down 256×384. Biases on q, k and v. Weights have heavy tails, one input channel in 64 is
/// strong.
QuantizedLayer quantize_layer(const std::filesystem::path& folder, const std::string& scheme, PackedLayout layout);

/// Inputs of a linear layer: near normal, with a few channels 20 times as large. [rows][cols].
llama::Matrix draw_inputs(int rows, int cols, uint64_t seed);

/// √(Σ (a − b)² / Σ b²).
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

/// x · Wᵀ (+ bias), summed in fp64.
std::vector<float> multiply(const llama::Matrix& x, const llama::Matrix& w, const std::vector<float>& bias = {});

/// One of the four GEMMs' fp32 weights, fused as kernels take them, and its bias (qkv) in fp32.
llama::Matrix fused_weights(const QuantizedLayer& layer, const std::string& linear);
std::vector<float> bias_of(const QuantizedLayer& layer, const std::string& linear);

}  // namespace qoq::test
