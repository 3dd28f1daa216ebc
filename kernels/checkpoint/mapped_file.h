#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace qoq {

/// A file's bytes, read-only, in two ways. read() copies them, and a file that was cut short meanwhile is a sentence.
/// bytes() are the file as memory: pages come from the disk when they are touched, and the system answers the touch of
/// a page that a shrunken file no longer has with SIGBUS. So this room reads headers, elements and codes by read(),
/// which also leaves the file's pages out of the process's own memory; bytes() are for files that nobody else writes.
/// They stay where they are when the object moves.
class MappedFile {
 public:
  /// Throws Fault::Input naming the path when it is no readable regular file. An empty file maps to no bytes.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }
  /// Copies the bytes from `offset` on. Throws Fault::Input when the file no longer reaches that far, Fault::Work when
  /// the disk fails.
  void read(uint64_t offset, std::span<std::byte> to) const;

 private:
  std::string path_;
  int file_ = -1;
  std::span<const std::byte> bytes_;
};

}  // namespace qoq
