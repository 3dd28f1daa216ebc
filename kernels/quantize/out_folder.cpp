#include "kernels/quantize/out_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "kernels/base/error.h"

namespace qoq::quantize {

namespace fs = std::filesystem;

namespace {

constexpr const char* lock_name = ".quantize.lock";
constexpr std::array<std::string_view, 10> companions{
    "config.json",       "generation_config.json",  "tokenizer.json", "tokenizer_config.json",
    "tokenizer.model",   "special_tokens_map.json", "vocab.json",     "merges.txt",
    "added_tokens.json", "chat_template.jinja"};

bool is_layer_file(std::string_view name) {
  constexpr std::string_view prefix = "layer-", suffix = ".safetensors";
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() != prefix.size() + 5 + suffix.size())
    return false;
  return std::ranges::all_of(name.substr(prefix.size(), 5), [](char c) { return c >= '0' && c <= '9'; });
}

/// A file that quantize writes, or (true for `temporary`) one that its writing left behind.
bool is_ours(std::string_view name, bool& temporary) {
  const size_t mark = name.rfind(".tmp");  // kernels/base/file and the safetensors writer name them so
  temporary = mark != std::string_view::npos &&
              std::ranges::all_of(name.substr(mark + 4), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  const std::string_view base = temporary ? name.substr(0, mark) : name;
  return is_layer_file(base) || base == embedding_file_name || base == head_file_name || base == manifest_file_name ||
         base == lock_name || std::find(companions.begin(), companions.end(), base) != companions.end();
}

/// Whether `inner` is `outer` or lies in it. Neither need be there yet.
bool lies_in(const fs::path& inner, const fs::path& outer) {
  const fs::path a = fs::weakly_canonical(inner), b = fs::weakly_canonical(outer);
  return std::mismatch(b.begin(), b.end(), a.begin(), a.end()).first == b.end();
}

}  // namespace

std::string layer_file_name(int layer) { return fmt::format("layer-{:05}.safetensors", layer); }

std::vector<std::string> companions_in(const fs::path& model) {
  std::vector<std::string> out;
  for (const std::string_view name : companions) {
    if (fs::is_regular_file(model / name)) out.emplace_back(name);
  }
  return out;
}

OutFolder::OutFolder(const fs::path& folder, const fs::path& model) : folder_(folder), lock_path_(folder / lock_name) {
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_directory(folder, error))
    bad_input("{}: is no folder, expected one for the result", folder.string());
  if (fs::equivalent(folder, model, error) || lies_in(model, folder))
    bad_input("{}: is the model's own folder or holds it; the result needs one of its own", folder.string());
  if (fs::exists(folder, error)) refuse_foreign_files();
  fs::create_directories(folder, error);
  if (error) fail("{}: cannot be made: {}", folder.string(), error.message());
  lock_ = ::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) fail("{}: cannot be written: {}", lock_path_.string(), std::strerror(errno));
  struct stat held {
  }, named{};
  // Another run's end removes the file: a lock on a file that has no name any more guards nothing.
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0 || ::fstat(lock_, &held) != 0 || ::stat(lock_path_.c_str(), &named) != 0 ||
      held.st_ino != named.st_ino) {
    ::close(std::exchange(lock_, -1));
    bad_input("{}: another quantize writes there now", folder.string());
  }
  remove_temporaries();
}

OutFolder::~OutFolder() {
  if (lock_ < 0) return;
  ::unlink(lock_path_.c_str());
  ::close(lock_);
}

void OutFolder::remove(const std::string& name) const {
  std::error_code error;
  fs::remove(folder_ / name, error);
  if (error) fail("{}: cannot be removed: {}", (folder_ / name).string(), error.message());
}

void OutFolder::need(uint64_t bytes) const {
  std::error_code error;
  const fs::space_info space = fs::space(folder_, error);
  if (!error && space.available < bytes) {
    fail("{}: the disk has {:.1f} MB free, the rest of the result needs {:.1f} MB", folder_.string(),
         static_cast<double>(space.available) / 1e6, static_cast<double>(bytes) / 1e6);
  }
}

void OutFolder::refuse_foreign_files() const {
  std::string companion;
  bool own = false;  // a folder of nothing but a model's small files is somebody else's
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    bool temporary = false;
    if (!is_ours(name, temporary) || !entry.is_regular_file())
      bad_input("{}: holds \"{}\", which quantize did not write; the result needs a folder of its own",
                folder_.string(), name);
    const bool small = std::find(companions.begin(), companions.end(), name) != companions.end();
    if (small) companion = name;
    own |= !small;
  }
  if (!own && !companion.empty()) {
    bad_input("{}: holds \"{}\" and nothing that quantize wrote; the result needs a folder of its own",
              folder_.string(), companion);
  }
}

std::vector<std::string> layer_files_beyond(const fs::path& folder, int layers) {
  std::vector<std::string> out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (is_layer_file(name) && name >= layer_file_name(layers)) out.push_back(name);
  }
  std::ranges::sort(out);
  return out;
}

void OutFolder::remove_temporaries() const {
  for (const auto& entry : fs::directory_iterator(folder_)) {
    bool temporary = false;
    const std::string name = entry.path().filename();
    if (is_ours(name, temporary) && temporary) remove(name);
  }
}

}  // namespace qoq::quantize
