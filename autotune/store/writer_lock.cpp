#include "autotune/store/writer_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "kernels/base/error.h"

namespace qoq::store {
namespace {

std::string holder_of(int file) {
  char text[32] = {};
  const ssize_t bytes = ::pread(file, text, sizeof text - 1, 0);
  return bytes > 0 ? fmt::format("process {}", std::string(text, static_cast<size_t>(bytes))) : "another process";
}

}  // namespace

WriterLock::WriterLock(const std::filesystem::path& database) {
  // Two names of one file (a link) must meet at one lock.
  const std::string path = std::filesystem::weakly_canonical(database).string() + ".lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) fail("{}: cannot be written beside the database: {}", path, std::strerror(errno));
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0) {
    const int problem = errno;
    const std::string holder = holder_of(file_);
    ::close(file_);
    if (problem != EWOULDBLOCK) fail("{}: cannot be locked: {}", path, std::strerror(problem));
    bad_input("{}: {} is tuning into this database: wait for it, or use another file", database.string(), holder);
  }
  // The number only serves the message above; on a full disk it may be missing.
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(file_, 0) == 0) [[maybe_unused]]
    const ssize_t written = ::pwrite(file_, pid.data(), pid.size(), 0);
}

WriterLock::~WriterLock() { ::close(file_); }

}  // namespace qoq::store
