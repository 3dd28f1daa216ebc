#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/checkpoint/checkpoint.h"
#include "kernels/llama/weights.h"
#include "kernels/quantize/scheme.h"

namespace qoq::quantize {

/// A Hugging Face model folder that is read a piece at a time.
class ModelSource {
 public:
  /// Reads config.json and opens every shard. Throws Fault::Input for what they refuse, and for the first linear
  /// of the model that the scheme cannot hold.
  ModelSource(const std::filesystem::path& folder, const Scheme& scheme);

  const std::filesystem::path& folder() const { return folder_; }
  const llama::Config& config() const { return config_; }

  llama::Layer layer(int index) const;
  std::vector<float> final_norm() const;
  /// The embedding, or the head (of a tied model: the embedding), `rows` rows a call; `take` gets the first row's
  /// index. Throws Fault::Input for shapes that config.json contradicts, and values that are not finite.
  void each_block(bool head, int rows, const std::function<void(int first, llama::Matrix& block)>& take) const;
  /// The element type of the embedding's and the head's weights in the checkpoint: F16, BF16 or F32.
  DType ends_dtype() const;

  /// What identifies the bytes of a piece: names, types, shapes and contents of its tensors. `layer` nothing: of all
  /// that is of no layer, config.json among it.
  std::string piece_digest(std::optional<int> layer) const;

  /// Parameters of the piece, counted from config.json.
  uint64_t layer_parameters() const;
  uint64_t ends_parameters() const;
  uint64_t parameters() const { return static_cast<uint64_t>(config_.layers) * layer_parameters() + ends_parameters(); }

 private:
  std::filesystem::path folder_;
  llama::Config config_;
  Checkpoint checkpoint_;
  std::string config_digest_;
};

/// One digest of many tensors; sensitive to order.
std::string digest_tensors(const std::vector<const Tensor*>& tensors, std::string_view more = {});

}  // namespace qoq::quantize
