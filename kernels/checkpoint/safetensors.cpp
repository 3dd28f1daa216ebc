#include "kernels/checkpoint/safetensors.h"

#include <utility>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

Safetensors Safetensors::open(const std::filesystem::path& path) { return {path.string(), MappedFile(path)}; }

Safetensors::Safetensors(std::string file, MappedFile mapped)
    : file_(std::move(file)),
      mapped_(std::make_unique<const MappedFile>(std::move(mapped))),
      content_(read_safetensors(file_, *mapped_)) {
  for (size_t i = 0; i < content_.tensors.size(); ++i) by_name_.emplace(content_.tensors[i].name, i);
}

std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, index] : by_name_) names.push_back(name);
  return names;
}

const Tensor* Safetensors::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &content_.tensors[found->second];
}

const Tensor& Safetensors::tensor(std::string_view name) const {
  const Tensor* found = find(name);
  if (found == nullptr) bad_input("{}: has no tensor {}", file_, in_quotes(name));
  return *found;
}

}  // namespace qoq
