#include "autotune/job/config_file.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "kernels/base/embedded.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::embedded {
extern const std::span<const File> job_configs;
}

namespace qoq::job {
namespace fs = std::filesystem;
namespace {

std::optional<Yaml> find_embedded(const std::string& path) {
  for (const embedded::File& file : embedded::job_configs) {
    if (file.path == path) return Yaml::parse(path + " (in the program)", std::string(file.text));
  }
  return std::nullopt;
}

/// Names of the configurations in one folder, on disk or in the program ("configs/models").
void add_names(const fs::path& folder, std::set<std::string>& names) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".yaml") names.insert(entry.path().stem());
  }
  for (const embedded::File& file : embedded::job_configs) {
    const fs::path path = file.path;
    if (path.parent_path() == folder) names.insert(path.stem());
  }
}

}  // namespace

Yaml read_config(std::string_view kind, const std::string& reference, const fs::path& folder, const Location& at) {
  const bool is_path = reference.ends_with(".yaml");
  const fs::path beside = kind.empty() ? folder : folder / kind;
  const fs::path ours = kind.empty() ? fs::path("configs") : fs::path("configs") / kind;
  std::vector<fs::path> candidates;
  if (is_path) {
    candidates = {folder / reference};
  } else {
    candidates = {beside / (reference + ".yaml"), ours / (reference + ".yaml")};
  }
  for (const fs::path& path : candidates) {
    if (auto text = read_file_if_present(path)) return Yaml::parse(path.lexically_normal().string(), *text);
  }
  const std::string wanted = candidates.back().lexically_normal().string();
  if (auto shipped = find_embedded(wanted)) return *std::move(shipped);
  if (is_path) bad_input_at(at, "no file {}", wanted);
  std::set<std::string> names;
  add_names(beside, names);
  add_names(ours, names);
  const std::vector<std::string> known(names.begin(), names.end());
  bad_input_at(at, "no {} called \"{}\"{}", kind.empty() ? "job" : kind.substr(0, kind.size() - 1), reference,
               suggestion(reference, known));
}

Yaml shipped_config(std::string_view kind, const std::string& name) {
  const std::string path = (fs::path("configs") / kind / (name + ".yaml")).string();
  if (auto shipped = find_embedded(path)) return *std::move(shipped);
  fail("{} is not in the program", path);
}

}  // namespace qoq::job
