#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/checkpoint/dtype.h"

namespace qoq {

/// What a file will hold, told before its data.
struct TensorDeclaration {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
};

/// Writes a safetensors file of known tensors whose data comes piece by piece. Until finish() there is only a
/// temporary file beside `path`, removed by the first failure and by the destructor: readers see a whole file or none
/// (or the old one). The same declarations and data make the same bytes. Wider elements lie first, so that every tensor
/// is aligned to its element. Not for use by several threads at once.
class SafetensorsWriter {
 public:
  /// Throws Fault::Input when two tensors share a name, a name is no UTF-8 or "__metadata__", a shape is too large to
  /// count, or the header would pass the format's limit; Fault::Work when the file cannot be made.
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorDeclaration>& tensors,
                    const std::map<std::string, std::string>& metadata = {});
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  ~SafetensorsWriter();

  /// The next bytes of a tensor: all at once or in parts, tensors in any order or mixed. Throws Fault::Work on a
  /// full disk, an undeclared name, or more bytes than declared.
  void write(std::string_view name, std::span<const std::byte> bytes);

  /// Syncs and renames. Throws Fault::Work when a tensor lacks bytes or the disk is full.
  void finish();

 private:
  struct Slot {
    uint64_t offset = 0;  ///< in the file
    uint64_t bytes = 0;
    uint64_t written = 0;
  };
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  [[noreturn]] void give_up(const std::string& why);
  void discard();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int file_ = -1;  ///< -1: finished or given up
  std::map<std::string, Slot, std::less<>> slots_;
};

}  // namespace qoq
