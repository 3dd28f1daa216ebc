#pragma once
#include <filesystem>
#include <vector>

#include "kernels/checkpoint/safetensors.h"
#include "kernels/llama/weights.h"

namespace qoq::llama {

/// Recorded activations of a model in one safetensors file: tensors
///   layers.{i}.attention_input [T][hidden]            layers.{i}.queries [T][heads · head_dim], after RoPE
///   layers.{i}.output_input [T][heads · head_dim]     layers.{i}.keys    [T][kv_heads · head_dim], after RoPE
///   layers.{i}.ffn_input [T][hidden]                  layers.{i}.down_input [T][intermediate]
/// of F32, F16 or BF16 (LayerActivations says what each is), and `positions` [T] of I32 or I64. Any may be missing; T
/// is one for all.
class Calibration {
 public:
  /// Checks names, types and shapes of everything. Throws Fault::Input: one sentence with the file and the tensor, for
  /// names that are none of the above and layers that the model has not, too.
  static Calibration open(const std::filesystem::path& path, const Config& config);

  /// What is recorded of one layer. Throws Fault::Input for values that are not finite.
  LayerActivations layer(int layer) const;
  /// The tensors of one layer, by name.
  std::vector<const Tensor*> tensors(int layer) const;
  int tokens() const { return tokens_; }

 private:
  explicit Calibration(Safetensors file) : file_(std::move(file)) {}
  void check(const Tensor& tensor, const Config& config);
  void read_positions();

  Safetensors file_;
  std::vector<int> positions_;
  int tokens_ = 0;
};

/// Writes such a file: one entry a layer; empty matrices are left out, positions are the first layer's.
void write_calibration(const std::filesystem::path& path, const std::vector<LayerActivations>& layers, DType dtype);

}  // namespace qoq::llama
