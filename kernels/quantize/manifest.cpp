#include "kernels/quantize/manifest.h"

#include <nlohmann/json.hpp>
#include <set>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq::quantize {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr const char* format_name = "qoqtune-quantization";
constexpr int format_version = 1;

/// The members of an object, each asked for once; what is left over is refused.
class Members {
 public:
  Members(std::string where, const json& object) : where_(std::move(where)), object_(object) {
    if (!object.is_object()) bad_input("{}: expected an object", where_);
    for (const auto& [key, value] : object.items()) rest_.insert(key);
  }
  const json& member(const char* key) {
    rest_.erase(key);
    const auto found = object_.find(key);
    if (found == object_.end()) bad_input("{}: \"{}\" is missing", where_, key);
    return *found;
  }
  std::string text(const char* key) {
    const json& value = member(key);
    if (!value.is_string()) bad_input("{}: \"{}\" is no text", where_, key);
    return value.get<std::string>();
  }
  uint64_t count(const char* key) {
    const json& value = member(key);
    if (!value.is_number_unsigned()) bad_input("{}: \"{}\" is no count", where_, key);
    return value.get<uint64_t>();
  }
  double number(const char* key) {
    const json& value = member(key);
    if (!value.is_number()) bad_input("{}: \"{}\" is no number", where_, key);
    return value.get<double>();
  }
  const json& list(const char* key) {
    const json& value = member(key);
    if (!value.is_array()) bad_input("{}: \"{}\" is no list", where_, key);
    return value;
  }
  void finish() const {
    if (!rest_.empty()) bad_input("{}: {} is not known", where_, in_quotes(*rest_.begin()));
  }

 private:
  std::string where_;
  const json& object_;
  std::set<std::string> rest_;
};

FileEntry read_file_entry(const std::string& where, const json& value) {
  Members members(where, value);
  FileEntry entry{members.text("name"), members.count("bytes"), members.text("digest")};
  members.finish();
  if (entry.name.empty() || entry.name.find('/') != std::string::npos)
    bad_input("{}: {} is no name of a file beside it", where, in_quotes(entry.name));
  return entry;
}

LayerEntry read_layer_entry(const std::string& where, const json& value) {
  Members members(where, value);
  LayerEntry entry{members.number("proof"), {}};
  for (const json& line : members.list("chosen")) {
    if (!line.is_string()) bad_input("{}: \"chosen\" holds what is no text", where);
    entry.chosen.push_back(line.get<std::string>());
  }
  members.finish();
  return entry;
}

}  // namespace

uint64_t Manifest::bytes() const {
  uint64_t sum = 0;
  for (const FileEntry& file : files) sum += file.bytes;
  return sum;
}

std::string write_manifest(const Manifest& manifest) {
  ordered_json out{{"format", format_name},         {"version", format_version},
                   {"producer", manifest.producer}, {"scheme", manifest.scheme},
                   {"rule", manifest.rule},         {"layout", manifest.layout},
                   {"recipe", manifest.recipe},     {"source", manifest.source},
                   {"calibration", nullptr},        {"parameters", manifest.parameters},
                   {"bytes", manifest.bytes()},     {"fp16_bytes", manifest.fp16_bytes()}};
  if (!manifest.calibration.empty()) out["calibration"] = manifest.calibration;
  out["files"] = ordered_json::array();
  for (const FileEntry& file : manifest.files)
    out["files"].push_back(ordered_json{{"name", file.name}, {"bytes", file.bytes}, {"digest", file.digest}});
  out["layers"] = ordered_json::array();
  for (const LayerEntry& layer : manifest.layers)
    out["layers"].push_back(ordered_json{{"proof", layer.proof}, {"chosen", layer.chosen}});
  return out.dump(1) + "\n";
}

Manifest read_manifest(const std::filesystem::path& path) {
  const std::string file = path.string();
  const json value = parse_json(file, read_file(path));
  Members members(file, value);
  if (const std::string format = members.text("format"); format != format_name)
    bad_input("{}: its format is {}, expected \"{}\"", file, in_quotes(format), format_name);
  if (const uint64_t version = members.count("version"); version != format_version)
    bad_input("{}: is of version {}, this program reads {}", file, version, format_version);
  Manifest out;
  out.producer = members.text("producer");
  out.scheme = members.text("scheme");
  out.rule = members.text("rule");
  out.layout = members.text("layout");
  out.recipe = members.text("recipe");
  out.source = members.text("source");
  if (!members.member("calibration").is_null()) out.calibration = members.text("calibration");
  out.parameters = members.count("parameters");
  const uint64_t bytes = members.count("bytes");
  members.count("fp16_bytes");
  for (const json& entry : members.list("files")) out.files.push_back(read_file_entry(file + ": files", entry));
  for (const json& entry : members.list("layers")) out.layers.push_back(read_layer_entry(file + ": layers", entry));
  members.finish();
  if (bytes != out.bytes()) bad_input("{}: its files have {} bytes, not the {} it says", file, out.bytes(), bytes);
  return out;
}

}  // namespace qoq::quantize
