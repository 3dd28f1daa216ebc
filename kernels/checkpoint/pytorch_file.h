#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kernels/checkpoint/mapped_file.h"
#include "kernels/checkpoint/safetensors_header.h"

namespace qoq {

/// A dictionary of tensors as torch.save writes it since version 1.6: a zip archive of a pickle and each storage's
/// bytes. The pickle is read as data: of what it would call, only how tensors are put together is understood, and
/// nothing is ever run. Tensors are views that live as long as this object.
class PytorchFile {
 public:
  /// Throws Fault::Input, in one sentence with the file's name: no such archive, compressed entries, a pickle of
  /// something else than a dictionary of texts to tensors, a tensor that is not contiguous, of an unknown storage or
  /// beyond its storage's end, bytes that are not little-endian.
  static PytorchFile open(const std::filesystem::path& path);

  /// Sorted by name.
  const std::vector<Tensor>& tensors() const { return tensors_; }

 private:
  std::unique_ptr<const MappedFile> mapped_;  ///< tensors point to it
  std::vector<Tensor> tensors_;
};

}  // namespace qoq
