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
  llama::Layer layer;  ///< fp32, as the checkpoint has it
  std::filesystem::path file;
};

/// Runs the quantizer on a one-layer model folder, and names the layer's file. Six query heads on two KV heads of 64,
/// hidden 256, intermediate 384: qkv 640×256 (no multiple of a 256-column tile), o 256×384, gate_up 768×256, down
/// 256×384. Biases on q, k and v. Weights have heavy tails, one input channel in 64 is strong. With the recipe "rtn"
/// the file holds these weights rounded, with others transformed ones.
QuantizedLayer quantize_layer(const std::filesystem::path& folder, const std::string& scheme, PackedLayout layout,
                              const std::string& recipe = "rtn");

/// Inputs of a linear layer: near normal, with a few channels 20 times as large. [rows][cols].
llama::Matrix draw_inputs(int rows, int cols, uint64_t seed);

/// √(Σ (a − b)² / Σ b²).
double relative_error(const std::vector<float>& a, const std::vector<float>& b);

/// x · Wᵀ (+ bias), summed in fp64.
std::vector<float> multiply(const llama::Matrix& x, const llama::Matrix& w, const std::vector<float>& bias = {});

/// qkv's bias in fp32; none of the others'.
std::vector<float> bias_of(const QuantizedLayer& layer, const std::string& linear);

}  // namespace qoq::test
