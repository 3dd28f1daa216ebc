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

class MappedFile;

/// One tensor of a file: elements in row-major order, little-endian, at any alignment. `bytes` may lie in a mapped file
/// (see MappedFile for what that risks); read_bytes() is the way that has no risk.
struct Tensor {
  std::string name;
  DType dtype = DType::U8;
  std::vector<uint64_t> shape{};  ///< empty: a scalar
  std::span<const std::byte> bytes{};
  std::string file{};                  ///< opens the messages about it
  const MappedFile* mapped = nullptr;  ///< where `bytes` lie; null: in memory
};

/// Copies the bytes of a tensor from `offset` on; a mapped file is read, not touched as memory. Throws as
/// MappedFile::read does; the range must lie in the tensor.
void read_bytes(const Tensor& tensor, uint64_t offset, std::span<std::byte> to);

/// All of a tensor's bytes as values of T, whatever its element type says.
template <class T>
std::vector<T> read_values(const Tensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  read_bytes(tensor, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

/// `model.safetensors: tensor "x"`: how a message about it begins.
std::string place_of(const Tensor& tensor);

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
/// The same of a mapped file, which must outlive the tensors.
SafetensorsContent read_safetensors(const std::string& file, const MappedFile& mapped);

}  // namespace qoq
