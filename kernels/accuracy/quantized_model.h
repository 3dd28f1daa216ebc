#pragma once
#include <span>
#include <string>
#include <vector>

#include "kernels/accuracy/quantized_linear.h"
#include "kernels/transform/recipe.h"

namespace qoq::accuracy {

/// A model after its transforms: of the same fp32 function but for clipping, which only 4-bit weights get.
struct PreparedModel {
  llama::Config config;
  transform::WeightFormat format;
  llama::Ends ends;
  std::vector<llama::Layer> layers;   ///< transformed
  std::vector<llama::Layer> clipped;  ///< and clipped
  double proof = 0;                   ///< the worst layer's change of its fp32 function by the transforms
};

/// `calibration`: one entry a layer. Throws Fault::Work when transforms change a layer's function by more than
/// quantize::most_proof.
PreparedModel prepare_model(const llama::Model& model, const transform::Recipe& recipe,
                            const transform::WeightFormat& format,
                            const std::vector<llama::LayerActivations>& calibration, int threads = 0);

/// A decoder layer whose four GEMMs are the kernels'.
struct QuantizedLayer {
  std::vector<float> attention_norm, ffn_norm, q_norm, k_norm;
  QuantizedLinear qkv, o, gate_up, down;
};

struct QuantizedModel {
  llama::Config config;
  Numerics numerics;
  llama::Ends ends;  ///< fp32
  std::vector<QuantizedLayer> layers;
};

QuantizedModel quantize_model(const PreparedModel& prepared, const Numerics& numerics, int threads = 0);

/// Logits [T][vocab] as an engine that decodes token by token computes them: norms, RoPE, SiLU, the residual stream,
/// embedding and head in fp32, the four GEMMs and attention by the numerics. Bits do not depend on `threads`.
llama::Matrix forward(const QuantizedModel& model, std::span<const int> tokens, std::span<const int> positions,
                      int threads = 0);

}  // namespace qoq::accuracy
