#include "kernels/base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "kernels/base/error.h"

namespace qoq {

namespace fs = std::filesystem;

std::optional<std::string> read_file_if_present(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) bad_input("{}: is a folder, expected a file", path.string());
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    if (errno == ENOENT) return std::nullopt;
    bad_input("{}: cannot be read: {}", path.string(), std::strerror(errno));
  }
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) fail("{}: reading failed: {}", path.string(), std::strerror(errno));
  return std::move(text).str();
}

std::string read_file(const fs::path& path) {
  auto text = read_file_if_present(path);
  if (!text) bad_input("{}: no such file", path.string());
  return *std::move(text);
}

int sync_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return errno == EACCES ? 0 : errno;  // a folder may be writable and searchable, but not readable
  int problem = ::fsync(opened) == 0 ? 0 : errno;
  if (problem == EINVAL || problem == ENOTSUP || problem == EROFS) problem = 0;
  ::close(opened);
  return problem;
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  static std::atomic<unsigned> serial{0};
  std::error_code error;
  if (path.has_parent_path()) fs::create_directories(path.parent_path(), error);
  const fs::path temporary = path.string() + fmt::format(".tmp{}.{}", ::getpid(), serial++);

  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) fail("{}: cannot be written: {}", path.string(), std::strerror(errno));
  int problem = 0;
  for (std::string_view rest = bytes; problem == 0 && !rest.empty();) {
    const ssize_t written = ::write(file, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<size_t>(written));
    } else if (errno != EINTR) {
      problem = errno;
    }
  }
  if (problem == 0 && ::fsync(file) != 0) problem = errno;
  if (::close(file) != 0 && problem == 0) problem = errno;
  if (problem == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) problem = errno;
  if (problem != 0) {
    ::unlink(temporary.c_str());
    fail("{}: cannot be written: {}", path.string(), std::strerror(problem));
  }
  problem = sync_folder_of(path);
  if (problem != 0) fail("{}: is written, but its folder cannot be synced: {}", path.string(), std::strerror(problem));
}

}  // namespace qoq
