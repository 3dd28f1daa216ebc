#include "kernels/checkpoint/checkpoint.h"

#include <span>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Shard {
  std::string file;
  std::vector<std::string> names;
};

/// A name, not a path: an index must not lead out of its folder.
bool is_plain_name(const std::string& file) {
  return !file.empty() && file != "." && file != ".." && file.find('/') == std::string::npos &&
         file.find('\0') == std::string::npos;
}

std::vector<Shard> read_index(const fs::path& path) {
  const MappedFile mapped(path);
  const size_t size = mapped.bytes().size();
  if (size > longest_header_bytes) {
    bad_input("{}: {} bytes long, at most {} are allowed", path.string(), size, longest_header_bytes);
  }
  std::string text(size, ' ');
  mapped.read(0, std::as_writable_bytes(std::span(text)));
  const json index = parse_json(path.string() + ": the index", text);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) bad_input("{}: has no weight_map of tensors to files", path.string());
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string() || !is_plain_name(file.get_ref<const std::string&>())) {
      bad_input("{}: tensor {}: its shard is no file name but {}", path.string(), in_quotes(name),
                in_quotes(file.dump()));
    }
    shards[file.get<std::string>()].push_back(name);
  }
  std::vector<Shard> list;
  for (auto& [file, names] : shards) list.push_back({file, std::move(names)});
  return list;
}

}  // namespace

Checkpoint Checkpoint::open(const fs::path& folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder.string();
  const fs::path single = folder / "model.safetensors", index = folder / "model.safetensors.index.json";
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) bad_input("{}: is no folder", folder.string());
  if (fs::exists(single, ignored)) {
    checkpoint.add_file(single);
  } else if (fs::exists(index, ignored)) {
    checkpoint.add_shards(index);
  } else {
    bad_input("{}: has neither model.safetensors nor model.safetensors.index.json", folder.string());
  }
  return checkpoint;
}

Checkpoint Checkpoint::open_pytorch(const fs::path& file) {
  Checkpoint checkpoint;
  checkpoint.folder_ = file.string();
  for (const Tensor& tensor : checkpoint.pytorch_.emplace_back(PytorchFile::open(file)).tensors()) {
    checkpoint.tensors_.emplace(tensor.name, &tensor);
  }
  return checkpoint;
}

void Checkpoint::add_file(const fs::path& path) {
  // Pointers to a file's tensors outlive moves of the file: its vector's elements stay where they are.
  for (const Tensor& tensor : files_.emplace_back(Safetensors::open(path)).tensors()) {
    tensors_.emplace(tensor.name, &tensor);
  }
}

void Checkpoint::add_shards(const fs::path& index) {
  for (const Shard& shard : read_index(index)) {
    const fs::path path = index.parent_path() / shard.file;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      bad_input("{}: the shard {} is missing ({} tensors, the first {})", index.string(), in_quotes(shard.file),
                shard.names.size(), in_quotes(shard.names.front()));
    }
    const Safetensors& file = files_.emplace_back(Safetensors::open(path));
    for (const std::string& name : shard.names) {
      const Tensor* tensor = file.find(name);
      if (tensor == nullptr) {
        bad_input("{}: tensor {} is not in its shard {}", index.string(), in_quotes(name), in_quotes(shard.file));
      }
      tensors_.emplace(name, tensor);
    }
  }
}

const Tensor& Checkpoint::tensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) bad_input("{}: has no tensor {}", folder_, in_quotes(name));
  return *found->second;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  return names;
}

}  // namespace qoq
