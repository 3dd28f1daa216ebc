#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/checkpoint/dtype.h"

namespace qoq {

/// One tensor of a file. `bytes` are elements in row-major order, little-endian, at any alignment.
struct Tensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;  ///< empty: a scalar
  std::span<const std::byte> bytes;
};

/// Bytes of a tensor of this type and shape; nothing when 64 bits cannot count its elements or its bytes.
std::optional<uint64_t> tensor_bytes(DType dtype, std::span<const uint64_t> shape);

/// No reader need believe in a longer header (the format's own limit).
constexpr uint64_t longest_header_bytes = 100'000'000;

struct SafetensorsContent {
  std::map<std::string, std::string> metadata;  ///< the header's __metadata__
  std::vector<Tensor> tensors;                  ///< in the order of their data; views of the bytes given
};

/// Reads a whole safetensors file (https://github.com/huggingface/safetensors, "Format"): eight bytes of header length,
/// little-endian, a JSON header, and data that the tensors cover exactly: no byte belongs to two or to none.
/// `file` opens every message. Throws Fault::Input on anything else, naming the tensor.
SafetensorsContent read_safetensors(const std::string& file, std::span<const std::byte> bytes);

}  // namespace qoq
