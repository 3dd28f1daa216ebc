#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/checkpoint/mapped_file.h"
#include "kernels/checkpoint/safetensors_header.h"

namespace qoq {

/// A safetensors file, mapped and checked. Its tensors are views that live as long as this object.
class Safetensors {
 public:
  /// Throws Fault::Input: one sentence with the file's name, and the tensor's where one is at fault.
  static Safetensors open(const std::filesystem::path& path);

  const std::string& file() const { return file_; }
  const std::map<std::string, std::string>& metadata() const { return content_.metadata; }
  /// In the order of their data in the file.
  const std::vector<Tensor>& tensors() const { return content_.tensors; }
  /// Sorted.
  std::vector<std::string> names() const;
  /// Null when the file has none of that name.
  const Tensor* find(std::string_view name) const;
  /// As find, but throws Fault::Input.
  const Tensor& tensor(std::string_view name) const;

 private:
  Safetensors(std::string file, MappedFile mapped);

  std::string file_;
  std::unique_ptr<const MappedFile> mapped_;  ///< tensors point to it
  SafetensorsContent content_;
  std::map<std::string, size_t, std::less<>> by_name_;
};

}  // namespace qoq
