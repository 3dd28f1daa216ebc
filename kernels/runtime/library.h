#pragma once
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace qoq::runtime {

/// A shared library opened at run time; closed when the last copy goes. Not found is a value: see reason().
class Library {
 public:
  Library() = default;

  /// Tries every name in every folder, in the given order, then every name on the loader's default path.
  /// Symbols stay private to it (RTLD_LOCAL), and it stays in memory: vendors' libraries leave things behind when they
  /// are unloaded.
  static Library open(std::span<const std::string> names, std::span<const std::filesystem::path> folders = {});
  /// Opens exactly this file.
  static Library open(const std::filesystem::path& file);

  explicit operator bool() const { return handle_ != nullptr; }
  /// Why it is not open, as the loader said it; empty when it is.
  const std::string& reason() const { return reason_; }
  /// The file that was opened, its links followed.
  const std::filesystem::path& path() const { return path_; }

  /// The symbol's address, or null.
  void* find(const char* symbol) const;
  template <class Function>
  Function find_as(const char* symbol) const {
    return reinterpret_cast<Function>(find(symbol));
  }

 private:
  bool try_open(const std::string& file, int flags = 0);

  std::shared_ptr<void> handle_;
  std::filesystem::path path_;
  std::string reason_ = "not opened";
};

/// Folders where CUDA libraries may lie, best first: CUDA_HOME and CUDA_PATH, the toolkit this program was built
/// against (unless it was built to travel), the vendor's wheels beside the current folder, the executable and their
/// parents (.deps/cuda/lib, .deps/nvidia/*/lib, nvidia/*/lib), toolkits under /usr/local. Only folders that exist.
std::vector<std::filesystem::path> cuda_library_folders();

}  // namespace qoq::runtime
