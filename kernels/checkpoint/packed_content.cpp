#include "kernels/checkpoint/packed_content.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

using nlohmann::json;

namespace {

struct Scheme {
  std::string_view name;
  int group;  ///< 0: a channel
};

constexpr Scheme schemes[] = {{"w4a8-g128", 128}, {"w4a8-g64", 64}, {"w4a8-g32", 32}, {"w4a8-channel", 0}};
constexpr std::string_view format_name = "qoqtune-packed";
constexpr std::string_view producer = "qoqtune " QOQ_VERSION;
constexpr std::string_view keys[] = {"digest", "format",   "group",  "layout", "linears",
                                     "notes",  "producer", "scheme", "version"};

std::string dump(const json& value) {
  try {
    return value.dump();
  } catch (const json::type_error&) {
    bad_input("a name or a note of a packed file is no UTF-8");
  }
}

void check_keys(const std::string& file, const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find("format");
  if (format == metadata.end() || format->second != format_name) {
    bad_input("{}: is no packed file: its metadata has no format \"{}\"", file, format_name);
  }
  // The version goes first: a later one may well have other keys.
  const auto found = metadata.find("version");
  const std::string version = found == metadata.end() ? "" : found->second;
  int number = 0;
  const auto [end, problem] = std::from_chars(version.data(), version.data() + version.size(), number);
  if (problem != std::errc() || end != version.data() + version.size() || number < 1) {
    bad_input("{}: its version {} is no number from 1 on", file, in_quotes(version));
  }
  if (number > packed_version) {
    bad_input("{}: is of version {}, this program reads version {}", file, number, packed_version);
  }
  for (const std::string_view key : keys) {
    if (!metadata.contains(std::string(key))) bad_input("{}: its metadata has no {}", file, key);
  }
  for (const auto& [key, value] : metadata) {
    if (std::find(std::begin(keys), std::end(keys), key) == std::end(keys)) {
      bad_input("{}: its metadata has a key that version {} does not know: {}", file, packed_version, in_quotes(key));
    }
  }
}

json parse_object(const std::string& file, const std::map<std::string, std::string>& metadata, const char* key) {
  json object = parse_json(fmt::format("{}: its metadata's {}", file, key), metadata.at(key));
  if (!object.is_object()) bad_input("{}: its metadata's {} is no JSON object", file, key);
  return object;
}

PackedContent::Shape parse_shape(const std::string& place, const PackedFormat& format, const json& shape) {
  if (!shape.is_array() || shape.size() != 2 || !shape[0].is_number_unsigned() || !shape[1].is_number_unsigned()) {
    bad_input("{}: its shape is not [N, K] but {}", place, in_quotes(shape.dump()));
  }
  const auto n = shape[0].get<uint64_t>(), k = shape[1].get<uint64_t>();
  check_linear_shape(place, format, n, k);
  return {static_cast<int>(n), static_cast<int>(k)};
}

}  // namespace

int PackedFormat::group() const {
  const auto* found =
      std::find_if(std::begin(schemes), std::end(schemes), [&](const Scheme& s) { return s.name == scheme; });
  if (found == std::end(schemes)) {
    bad_input("unknown scheme {}: known are w4a8-g128, w4a8-g64, w4a8-g32 and w4a8-channel", in_quotes(scheme));
  }
  if (layout == PackedLayout::Fragment && found->group != 128) {
    bad_input("the fragment layout is one of group metadata of 128: {} has the qserve layout only", scheme);
  }
  return found->group;
}

std::string_view layout_name(PackedLayout layout) { return layout == PackedLayout::QServe ? "qserve" : "fragment"; }

PackedLayout parse_layout(std::string_view name) {
  for (const PackedLayout layout : {PackedLayout::QServe, PackedLayout::Fragment}) {
    if (name == layout_name(layout)) return layout;
  }
  bad_input("unknown layout {}: known are qserve and fragment", in_quotes(name));
}

std::map<std::string, std::string> PackedContent::metadata() const {
  json shapes = json::object();
  for (const auto& [name, shape] : linears) shapes[name] = {shape.n, shape.k};
  return {{"format", std::string(format_name)},
          {"group", std::to_string(format.group())},
          {"layout", std::string(layout_name(format.layout))},
          {"linears", dump(shapes)},
          {"notes", dump(json(notes))},
          {"producer", std::string(producer)},
          {"scheme", format.scheme},
          {"version", std::to_string(packed_version)}};
}

PackedContent PackedContent::parse(const std::string& file, const std::map<std::string, std::string>& metadata) {
  check_keys(file, metadata);
  PackedContent content;
  try {
    content.format = {metadata.at("scheme"), parse_layout(metadata.at("layout"))};
    content.format.group();
  } catch (const Error& error) {
    bad_input("{}: {}", file, error.what());
  }
  if (metadata.at("group") != std::to_string(content.format.group())) {
    bad_input("{}: says a group of {}, but {} has {}", file, in_quotes(metadata.at("group")), content.format.scheme,
              content.format.group());
  }
  const json linears = parse_object(file, metadata, "linears"), notes = parse_object(file, metadata, "notes");
  for (const auto& [name, shape] : linears.items()) {
    const std::string place = fmt::format("{}: linear {}", file, in_quotes(name));
    content.linears.emplace(name, parse_shape(place, content.format, shape));
  }
  for (const auto& [name, note] : notes.items()) {
    if (!note.is_string()) bad_input("{}: its note {} is no text", file, in_quotes(name));
    content.notes.emplace(name, note.get<std::string>());
  }
  return content;
}

std::vector<TensorDeclaration> linear_tensors(const PackedFormat& format, const std::string& name, int n, int k) {
  const uint64_t rows = static_cast<uint64_t>(n), columns = static_cast<uint64_t>(k);
  std::vector<TensorDeclaration> tensors{{name + ".qweight", DType::U8, {rows, columns / 2}},
                                         {name + ".s1_scales", DType::F16, {rows}}};
  const auto group = static_cast<uint64_t>(format.group());
  if (group == 0) {
    tensors.push_back({name + ".s1_szeros", DType::F16, {rows}});
  } else if (format.layout == PackedLayout::Fragment) {
    tensors.push_back({name + ".s2_metadata", DType::U8, {columns / group, 2 * rows}});
  } else {
    tensors.push_back({name + ".s2_scales", DType::I8, {columns / group, rows}});
    tensors.push_back({name + ".s2_zeros", DType::I8, {columns / group, rows}});
  }
  return tensors;
}

void check_linear_shape(const std::string& place, const PackedFormat& format, uint64_t n, uint64_t k) {
  const auto step = static_cast<uint64_t>(std::max(format.group(), 32));
  constexpr uint64_t most = std::numeric_limits<int>::max();
  if (n == 0 || k == 0 || n > most || k > most || n % 32 != 0 || k % step != 0) {
    bad_input("{}: n={} k={}: {} takes n in multiples of 32 and k in multiples of {}", place, n, k, format.scheme,
              step);
  }
}

ContentDigest::ContentDigest(const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key == "digest") continue;
    add_text(key);
    add_text(value);
  }
}

void ContentDigest::begin_tensor(const std::string& name, DType dtype, std::span<const uint64_t> shape) {
  add_text(name);
  add_text(dtype_name(dtype));
  add_text(fmt::format("{}", fmt::join(shape, ",")));
}

void ContentDigest::add_text(std::string_view text) {
  digest_.add(fmt::format("{}:", text.size()));
  digest_.add(text);
}

}  // namespace qoq
