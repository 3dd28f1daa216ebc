#include "autotune/worker/lines.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace qoq::worker {

Lines::Arrived Lines::read_from(int descriptor) {
  char buffer[1 << 16];
  const ssize_t got = ::read(descriptor, buffer, sizeof buffer);
  if (got < 0 && errno == EINTR) return Arrived::Bytes;
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Arrived::Nothing;
  if (got <= 0) return Arrived::Closed;
  bytes_.append(buffer, static_cast<size_t>(got));
  return bytes_.size() > longest && bytes_.find('\n', searched_) == std::string::npos ? Arrived::TooMany
                                                                                      : Arrived::Bytes;
}

std::optional<std::string> Lines::take() {
  const size_t end = bytes_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = bytes_.size();
    return std::nullopt;
  }
  std::string line = bytes_.substr(0, end);
  bytes_.erase(0, end + 1);
  searched_ = 0;
  return line;
}

bool write_line(int descriptor, std::string line) {
  line += '\n';
  for (size_t written = 0; written < line.size();) {
    // A socket whose reader is gone must not end this process by SIGPIPE; a pipe can't be asked that.
    ssize_t put = ::send(descriptor, line.data() + written, line.size() - written, MSG_NOSIGNAL);
    if (put < 0 && errno == ENOTSOCK) put = ::write(descriptor, line.data() + written, line.size() - written);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    written += static_cast<size_t>(put);
  }
  return true;
}

}  // namespace qoq::worker
