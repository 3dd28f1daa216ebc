#pragma once
#include <cstddef>
#include <filesystem>
#include <span>

namespace qoq {

/// A file's bytes as memory, read-only; pages come from the disk when they are touched. The bytes stay where they are
/// when the object moves. The file must not shrink meanwhile: the system answers that with SIGBUS.
class MappedFile {
 public:
  /// Throws Fault::Input naming the path when it is no readable regular file. An empty file maps to no bytes.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace qoq
