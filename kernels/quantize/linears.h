#pragma once
#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "kernels/llama/weights.h"

namespace qoq::quantize {

/// The four GEMMs of a decoder layer as kernels run them: q, k and v as one, gate and up as one.
inline constexpr std::array<std::string_view, 4> linear_names{"qkv", "o", "gate_up", "down"};

struct LinearShape {
  int n = 0;
  int k = 0;
  bool operator==(const LinearShape&) const = default;
};

LinearShape linear_shape(const llama::Config& config, std::string_view linear);

/// The fused weights of one of them, [N][K]: rows of q, then k, then v; rows of gate, then up.
llama::Matrix fused(const llama::Layer& layer, std::string_view linear);
/// The same, but the layer gives up those weights, matrix by matrix.
llama::Matrix take_fused(llama::Layer& layer, std::string_view linear);

/// What goes into it, one row a token; empty where it was not recorded.
const llama::Matrix& input_of(const llama::LayerActivations& activations, std::string_view linear);

/// q's, k's and v's biases, one after another; empty where the layer has none. A missing one among others is zeros.
std::vector<float> fused_bias(const llama::Config& config, const llama::Layer& layer);

}  // namespace qoq::quantize
