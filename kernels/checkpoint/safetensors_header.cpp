#include "kernels/checkpoint/safetensors_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <tuple>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"
#include "kernels/checkpoint/mapped_file.h"

namespace qoq {

using nlohmann::json;

namespace {

/// An entry of the header before its place is held against the others'.
struct Entry {
  Tensor tensor;
  uint64_t begin = 0;  ///< in the data behind the header
  uint64_t end = 0;
};

using LengthBytes = std::array<std::byte, 8>;

/// The header's length, believed only as far as the file reaches.
uint64_t header_length(const std::string& file, uint64_t file_bytes, const LengthBytes& bytes) {
  uint64_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  if (length > longest_header_bytes) {
    bad_input("{}: says its header is {} bytes long, at most {} are allowed", file, length, longest_header_bytes);
  }
  if (length > file_bytes - 8) {
    bad_input("{}: says its header is {} bytes long, but only {} follow (cut short?)", file, length, file_bytes - 8);
  }
  return length;
}

std::map<std::string, std::string> read_metadata(const std::string& file, const json& header) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end()) return metadata;
  if (!found->is_object()) bad_input("{}: __metadata__ is no object", file);
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) bad_input("{}: __metadata__'s {} is no string", file, in_quotes(key));
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

std::vector<uint64_t> read_counts(const std::string& place, const char* key, const json& list) {
  if (!list.is_array()) bad_input("{}: its {} is no list", place, key);
  std::vector<uint64_t> counts;
  for (const json& each : list) {
    if (!each.is_number_unsigned()) bad_input("{}: its {} holds something else than integers from 0 on", place, key);
    counts.push_back(each.get<uint64_t>());
  }
  return counts;
}

Entry read_entry(const std::string& file, const std::string& name, const json& value) {
  const std::string place = fmt::format("{}: tensor {}", file, in_quotes(name));
  if (!value.is_object()) bad_input("{}: is no object", place);
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(key)) bad_input("{}: has no {}", place, key);
  }
  if (value.size() != 3) bad_input("{}: has more than dtype, shape and data_offsets", place);
  if (!value["dtype"].is_string()) bad_input("{}: its dtype is no string", place);
  const auto& dtype_text = value["dtype"].get_ref<const std::string&>();
  const auto dtype = find_dtype(dtype_text);
  if (!dtype) bad_input("{}: unknown dtype {}", place, in_quotes(dtype_text));
  Entry entry{{.name = name, .dtype = *dtype, .shape = read_counts(place, "shape", value["shape"]), .file = file}};
  const auto offsets = read_counts(place, "data_offsets", value["data_offsets"]);
  if (offsets.size() != 2) bad_input("{}: its data_offsets hold {} numbers, expected 2", place, offsets.size());
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin > entry.end) bad_input("{}: its data ends ({}) before it begins ({})", place, entry.end, entry.begin);
  const auto size = tensor_bytes(*dtype, entry.tensor.shape);
  if (!size) bad_input("{}: its shape has more elements than 64 bits can count", place);
  if (*size != entry.end - entry.begin) {
    bad_input("{}: its data_offsets span {} bytes, its {} shape takes {}", place, entry.end - entry.begin, dtype_text,
              *size);
  }
  return entry;
}

/// Each tensor must begin where the one before it ends, the first at 0, the last ending with the file.
void place_tensors(const std::string& file, std::vector<Entry>& entries, std::span<const std::byte> data) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.tensor.name) < std::tie(b.begin, b.end, b.tensor.name);
  });
  uint64_t reached = 0;
  for (Entry& entry : entries) {
    const std::string name = in_quotes(entry.tensor.name);
    if (entry.end > data.size()) {
      bad_input("{}: tensor {}: its data ends at {}, the file's at {} (cut short?)", file, name, entry.end,
                data.size());
    }
    if (entry.begin < reached) bad_input("{}: tensor {}: its data overlaps another tensor's", file, name);
    if (entry.begin > reached) {
      bad_input("{}: {} bytes before tensor {} belong to no tensor", file, entry.begin - reached, name);
    }
    entry.tensor.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    reached = entry.end;
  }
  if (reached != data.size()) bad_input("{}: its last {} bytes belong to no tensor", file, data.size() - reached);
}

/// `read(offset, to)` copies the file's bytes; `bytes` themselves are only counted.
template <class Read>
SafetensorsContent read_content(const std::string& file, std::span<const std::byte> bytes, const Read& read) {
  if (bytes.size() < 8) {
    bad_input("{}: {} bytes long, a safetensors file has 8 bytes of header length at least", file, bytes.size());
  }
  LengthBytes first;
  read(0, first);
  std::string text(header_length(file, bytes.size(), first), ' ');
  read(8, std::as_writable_bytes(std::span(text)));
  if (!text.starts_with('{')) bad_input("{}: the header does not begin with {{", file);
  const json header = parse_json(file + ": the header", text);
  SafetensorsContent content{read_metadata(file, header), {}};
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") entries.push_back(read_entry(file, name, value));
  }
  place_tensors(file, entries, bytes.subspan(8 + text.size()));
  for (Entry& entry : entries) content.tensors.push_back(std::move(entry.tensor));
  return content;
}

}  // namespace

std::optional<uint64_t> tensor_bytes(DType dtype, std::span<const uint64_t> shape) {
  uint64_t size = element_bytes(dtype);
  // A zero dimension makes any product zero; it must not hide that the others overflow, in whichever order they stand.
  bool empty = false;
  for (const uint64_t extent : shape) {
    if (extent == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(size, extent, &size)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : size;
}

std::string place_of(const Tensor& tensor) {
  return fmt::format("{}{}tensor {}", tensor.file, tensor.file.empty() ? "" : ": ", in_quotes(tensor.name));
}

void read_bytes(const Tensor& tensor, uint64_t offset, std::span<std::byte> to) {
  if (offset > tensor.bytes.size() || to.size() > tensor.bytes.size() - offset) {
    fail("{}: bytes {} to {} are none of its {}", place_of(tensor), offset, offset + to.size(), tensor.bytes.size());
  }
  if (to.empty()) return;
  const std::byte* start = tensor.bytes.data() + offset;
  if (tensor.mapped == nullptr) {
    std::memcpy(to.data(), start, to.size());
  } else {
    tensor.mapped->read(static_cast<uint64_t>(start - tensor.mapped->bytes().data()), to);
  }
}

SafetensorsContent read_safetensors(const std::string& file, std::span<const std::byte> bytes) {
  return read_content(file, bytes, [&](uint64_t offset, std::span<std::byte> to) {
    std::memcpy(to.data(), bytes.data() + offset, to.size());
  });
}

SafetensorsContent read_safetensors(const std::string& file, const MappedFile& mapped) {
  SafetensorsContent content =
      read_content(file, mapped.bytes(), [&](uint64_t offset, std::span<std::byte> to) { mapped.read(offset, to); });
  for (Tensor& tensor : content.tensors) tensor.mapped = &mapped;
  return content;
}

}  // namespace qoq
