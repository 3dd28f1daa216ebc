#include "kernels/checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "kernels/base/error.h"

namespace qoq {

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path.string()) {
  // Without O_NONBLOCK a named pipe would hold us here until someone writes to it.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) bad_input("{}: cannot be read: {}", path.string(), std::strerror(errno));
  struct stat about {};
  const bool regular = ::fstat(file, &about) == 0 && S_ISREG(about.st_mode);
  void* start = nullptr;
  int problem = 0;
  if (regular && about.st_size > 0) {
    start = ::mmap(nullptr, static_cast<size_t>(about.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    if (start == MAP_FAILED) problem = errno;
  }
  if (!regular || problem != 0) ::close(file);
  if (!regular) bad_input("{}: is no regular file", path.string());
  if (problem != 0) fail("{}: cannot be mapped: {}", path.string(), std::strerror(problem));
  bytes_ = {static_cast<const std::byte*>(start), static_cast<size_t>(about.st_size)};
  file_ = file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  if (file_ >= 0) ::close(file_);
}

void MappedFile::read(uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t count = ::pread(file_, to.data(), to.size(), static_cast<off_t>(offset));
    if (count == 0) {
      bad_input("{}: was cut short while it was read: {} bytes at first, now it ends before byte {}", path_,
                bytes_.size(), offset);
    }
    if (count > 0) {
      to = to.subspan(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    } else if (errno != EINTR) {
      fail("{}: reading failed: {}", path_, std::strerror(errno));
    }
  }
}

}  // namespace qoq
