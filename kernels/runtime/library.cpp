#include "kernels/runtime/library.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

namespace qoq::runtime {

namespace fs = std::filesystem;

bool Library::try_open(const std::string& file, int flags) {
  handle_.reset();
  if (void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | flags)) {
    handle_ = std::shared_ptr<void>(handle, [](void* open) { ::dlclose(open); });
    reason_.clear();
    return true;
  }
  const char* error = ::dlerror();
  reason_ = error != nullptr ? error : file + ": cannot be opened";
  return false;
}

Library Library::open(std::span<const std::string> names, std::span<const fs::path> folders) {
  Library library;
  std::string damaged;  // a file that is there but does not load says more than one that is not there
  std::error_code ignored;
  for (const fs::path& folder : folders) {
    for (const std::string& name : names) {
      const fs::path file = folder / name;
      if (!fs::exists(file, ignored)) continue;
      if (library.try_open(file.string(), RTLD_NODELETE)) {
        library.path_ = fs::canonical(file, ignored);
        return library;
      }
      if (damaged.empty()) damaged = library.reason_;
    }
  }
  std::string missing;
  for (const std::string& name : names) {
    if (library.try_open(name, RTLD_NODELETE)) {
      library.path_ = name;
      return library;
    }
    if (missing.empty()) missing = library.reason_;
  }
  library.reason_ = !damaged.empty() ? damaged : missing;
  return library;
}

Library Library::open(const fs::path& file) {
  Library library;
  if (library.try_open(file.string())) library.path_ = file;
  return library;
}

void* Library::find(const char* symbol) const { return handle_ ? ::dlsym(handle_.get(), symbol) : nullptr; }

namespace {

/// The folder and all above it.
void append_with_parents(std::vector<fs::path>& all, fs::path folder) {
  for (; !folder.empty(); folder = folder.parent_path()) {
    all.push_back(folder);
    if (folder == folder.root_path()) return;
  }
}

/// `folder`'s subfolders that begin with `prefix`, newest name first.
std::vector<fs::path> subfolders(const fs::path& folder, const std::string& prefix = "") {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

}  // namespace

std::vector<fs::path> cuda_library_folders() {
  std::vector<fs::path> wanted;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* home = std::getenv(variable);
    if (home == nullptr || *home == '\0') continue;
    wanted.push_back(fs::path(home) / "lib64");
    wanted.push_back(fs::path(home) / "lib");
  }

#ifdef QOQ_CUDA_LIBRARY_DIR
  wanted.push_back(QOQ_CUDA_LIBRARY_DIR);
#endif

  std::error_code error;
  std::vector<fs::path> bases;
  append_with_parents(bases, fs::current_path(error));
  append_with_parents(bases, fs::read_symlink("/proc/self/exe", error).parent_path());
  for (const fs::path& base : bases) {
    wanted.push_back(base / ".deps/cuda/lib");
    for (const char* wheels : {".deps/nvidia", "nvidia"}) {
      for (const fs::path& wheel : subfolders(base / wheels, "cu")) wanted.push_back(wheel / "lib");
    }
  }

  wanted.push_back("/usr/local/cuda/lib64");
  for (const fs::path& toolkit : subfolders("/usr/local", "cuda-")) wanted.push_back(toolkit / "lib64");

  std::vector<fs::path> folders;
  for (const fs::path& folder : wanted) {
    if (fs::is_directory(folder, error) && std::ranges::find(folders, folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  return folders;
}

}  // namespace qoq::runtime
