#include "kernels/checkpoint/pytorch_file.h"

#include <algorithm>
#include <map>
#include <optional>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/pickle.h"
#include "kernels/checkpoint/zip_archive.h"

namespace qoq {

using Kind = PickleValue::Kind;

namespace {

struct StorageType {
  std::string_view name;
  DType dtype;
};

constexpr StorageType storage_types[] = {
    {"torch BoolStorage", DType::Bool},  {"torch ByteStorage", DType::U8},   {"torch CharStorage", DType::I8},
    {"torch ShortStorage", DType::I16},  {"torch HalfStorage", DType::F16},  {"torch BFloat16Storage", DType::BF16},
    {"torch IntStorage", DType::I32},    {"torch FloatStorage", DType::F32}, {"torch LongStorage", DType::I64},
    {"torch DoubleStorage", DType::F64},
};

/// The archive's entries without the folder that all of them lie in.
struct Archive {
  std::string file;
  const MappedFile& mapped;
  std::string folder;  ///< "archive/"
  std::map<std::string, ZipEntry> entries;

  const ZipEntry& entry(const std::string& name) const {
    const auto found = entries.find(folder + name);
    if (found == entries.end()) bad_input("{}: has no entry {}", file, in_quotes(folder + name));
    return found->second;
  }
  std::string text(const std::string& name) const {
    const ZipEntry& found = entry(name);
    if (found.bytes > longest_header_bytes)
      bad_input("{}: its entry {} of {} bytes is too long", file, in_quotes(name), found.bytes);
    std::string text(found.bytes, ' ');
    mapped.read(found.offset, std::as_writable_bytes(std::span(text)));
    return text;
  }
};

Archive open_archive(const std::string& file, const MappedFile& mapped) {
  Archive archive{file, mapped, "", read_zip(file, mapped)};
  constexpr std::string_view pickle = "/data.pkl";
  const auto found = std::find_if(archive.entries.begin(), archive.entries.end(), [&](const auto& entry) {
    return entry.first.ends_with(pickle) && entry.first.find('/') == entry.first.size() - pickle.size();
  });
  if (found == archive.entries.end()) bad_input("{}: has no data.pkl, as torch.save makes", file);
  archive.folder = found->first.substr(0, found->first.size() - pickle.size() + 1);
  if (archive.entries.contains(archive.folder + "byteorder") && archive.text("byteorder") != "little") {
    bad_input("{}: its numbers are not little-endian", file);
  }
  return archive;
}

const PickleValue& item(const PickleValue& holder, size_t at, Kind kind, const std::string& place) {
  if (at >= holder.items.size() || holder.items[at]->kind != kind)
    bad_input("{}: is no tensor as torch.save writes them", place);
  return *holder.items[at];
}

std::vector<uint64_t> counts_of(const PickleValue& tuple, const std::string& place) {
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < tuple.items.size(); ++i) {
    const int64_t number = item(tuple, i, Kind::Number, place).number;
    if (number < 0) bad_input("{}: has a size or stride of {}", place, number);
    counts.push_back(static_cast<uint64_t>(number));
  }
  return counts;
}

/// Whether the elements lie one after the other; dimensions of one element may have any stride.
bool is_contiguous(const std::vector<uint64_t>& shape, const std::vector<uint64_t>& strides) {
  uint64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != step) return false;
    if (__builtin_mul_overflow(step, shape[i], &step)) return false;
  }
  return true;
}

/// torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, …), the storage told as ("storage", type, key,
/// device, elements).
Tensor make_tensor(const Archive& archive, const std::string& name, const PickleValue& arguments) {
  Tensor tensor{.name = name, .file = archive.file, .mapped = &archive.mapped};
  const std::string place = place_of(tensor);
  const PickleValue& id = item(item(arguments, 0, Kind::Outside, place), 0, Kind::Tuple, place);
  const std::string& type = item(id, 1, Kind::Global, place).text;
  const auto* found = std::find_if(std::begin(storage_types), std::end(storage_types),
                                   [&](const StorageType& each) { return each.name == type; });
  if (found == std::end(storage_types)) bad_input("{}: its storage is {}", place, in_quotes(type));
  tensor.dtype = found->dtype;
  const ZipEntry& data = archive.entry("data/" + item(id, 2, Kind::Text, place).text);
  tensor.shape = counts_of(item(arguments, 2, Kind::Tuple, place), place);
  const auto strides = counts_of(item(arguments, 3, Kind::Tuple, place), place);
  const auto size = tensor_bytes(tensor.dtype, tensor.shape);
  if (!size || strides.size() != tensor.shape.size()) bad_input("{}: its shape and strides make no sense", place);
  if (*size != 0 && !is_contiguous(tensor.shape, strides)) {
    bad_input("{}: its elements do not lie one after the other: save it with .contiguous()", place);
  }
  const int64_t first = item(arguments, 1, Kind::Number, place).number;
  uint64_t offset = 0;
  if (first < 0 || __builtin_mul_overflow(static_cast<uint64_t>(first), element_bytes(tensor.dtype), &offset) ||
      offset > data.bytes || *size > data.bytes - offset) {
    bad_input("{}: it leaves its storage of {} bytes", place, data.bytes);
  }
  tensor.bytes = archive.mapped.bytes().subspan(data.offset + offset, *size);
  return tensor;
}

/// A tensor, or a parameter around one.
const PickleValue& tensor_arguments(const PickleValue* value, const std::string& place) {
  for (int depth = 0; depth < 2; ++depth) {
    if (value->kind != Kind::Call) break;
    const std::string& callee = value->items[0]->text;
    const PickleValue& arguments = *value->items[1];
    if (callee == "torch._utils _rebuild_tensor_v2") return arguments;
    if (callee != "torch._utils _rebuild_parameter" || arguments.items.empty()) {
      bad_input("{}: would be made by a call of {}, which is not done", place, in_quotes(callee));
    }
    value = arguments.items[0];
  }
  bad_input("{}: is no tensor", place);
}

}  // namespace

PytorchFile PytorchFile::open(const std::filesystem::path& path) {
  PytorchFile result;
  result.mapped_ = std::make_unique<const MappedFile>(path);
  const Archive archive = open_archive(path.string(), *result.mapped_);
  const std::string program = archive.text("data.pkl");
  const Pickle pickle = Pickle::read(path.string() + ": data.pkl", program);
  const PickleValue& dictionary = pickle.value();
  if (dictionary.kind != Kind::Dict) bad_input("{}: holds something else than a dictionary of tensors", archive.file);
  std::map<std::string, Tensor> tensors;  // of two equal keys Python keeps the later value
  for (size_t i = 0; i < dictionary.items.size(); i += 2) {
    const PickleValue& key = *dictionary.items[i];
    if (key.kind != Kind::Text) bad_input("{}: a key of its dictionary is no text", archive.file);
    const PickleValue* value = dictionary.items[i + 1];
    if (value->kind == Kind::None) continue;
    const std::string place = fmt::format("{}: tensor {}", archive.file, in_quotes(key.text));
    tensors.insert_or_assign(key.text, make_tensor(archive, key.text, tensor_arguments(value, place)));
  }
  for (auto& [name, tensor] : tensors) result.tensors_.push_back(std::move(tensor));
  return result;
}

}  // namespace qoq
