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

MappedFile::MappedFile(const std::filesystem::path& path) {
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
  ::close(file);
  if (!regular) bad_input("{}: is no regular file", path.string());
  if (problem != 0) fail("{}: cannot be mapped: {}", path.string(), std::strerror(problem));
  bytes_ = {static_cast<const std::byte*>(start), static_cast<size_t>(about.st_size)};
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace qoq
