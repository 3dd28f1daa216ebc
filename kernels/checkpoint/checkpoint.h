#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/checkpoint/pytorch_file.h"
#include "kernels/checkpoint/safetensors.h"

namespace qoq {

/// The weights of a Hugging Face model folder: model.safetensors, or else the shards that
/// model.safetensors.index.json maps every tensor to. Tensors are views that live as long as this object.
class Checkpoint {
 public:
  /// Opens and checks every file. Throws Fault::Input: a file or shard is missing or bad, the index is no map of
  /// tensors to files of this folder, a tensor is not in its shard. Tensors that the index does not name are not there;
  /// its metadata (total_size, which producers count differently) is not read.
  static Checkpoint open(const std::filesystem::path& folder);

  /// The tensors of one file of torch.save (kernels/checkpoint/pytorch_file.h); files() is empty then.
  static Checkpoint open_pytorch(const std::filesystem::path& file);

  /// Throws Fault::Input when there is none.
  const Tensor& tensor(std::string_view name) const;
  bool contains(std::string_view name) const { return tensors_.contains(name); }
  /// Sorted.
  std::vector<std::string> names() const;
  const std::vector<Safetensors>& files() const { return files_; }

 private:
  void add_file(const std::filesystem::path& path);
  void add_shards(const std::filesystem::path& index);

  std::string folder_;  ///< or the file
  std::vector<Safetensors> files_;
  std::vector<PytorchFile> pytorch_;
  std::map<std::string, const Tensor*, std::less<>> tensors_;
};

}  // namespace qoq
