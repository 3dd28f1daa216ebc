#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "autotune/interchange/gunzip.h"
#include "autotune/interchange/t4.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::interchange {

using Json = nlohmann::ordered_json;  // parameters keep the file's order

namespace {

struct TimeUnit {
  std::string_view word;
  double us;
};
constexpr TimeUnit kTimeUnits[] = {
    {"miliseconds", 1e3},  // as Kernel Tuner spells it
    {"milliseconds", 1e3},
    {"millisecond", 1e3},
    {"ms", 1e3},
    {"microseconds", 1},
    {"microsecond", 1},
    {"us", 1},
    {"µs", 1},
    {"nanoseconds", 1e-3},
    {"nanosecond", 1e-3},
    {"ns", 1e-3},
    {"seconds", 1e6},
    {"second", 1e6},
    {"s", 1e6},
};

std::optional<double> unit_us(std::string_view word) {
  const auto* found = std::ranges::find(kTimeUnits, word, &TimeUnit::word);
  if (found == std::end(kTimeUnits)) return std::nullopt;
  return found->us;
}

/// A place in the file, for messages: "x.T4.json: results[17].configuration.tile".
struct Place {
  const std::string& file;
  size_t entry;

  template <class... T>
  [[noreturn]] void fault(std::string_view field, fmt::format_string<T...> format, T&&... values) const {
    bad_input("{}: results[{}]{}{}: {}", file, entry, field.empty() ? "" : ".", field,
              fmt::format(format, std::forward<T>(values)...));
  }
};

/// A foreign value in a message: as JSON in ASCII, on one line, short.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "…" : text;
}

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

/// The member, which must be there and of this kind.
const Json& required(const Json& entry, const char* name, bool (Json::*is_kind)() const noexcept, const char* kind,
                     const Place& place) {
  const Json* found = member(entry, name);
  if (found == nullptr) place.fault("", "has no \"{}\"", name);
  if (!(found->*is_kind)()) place.fault(name, "is {}, expected {}", found->type_name(), kind);
  return *found;
}

Value value_of(const Json& json, const std::string& parameter, const Place& place) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_integer()) {
    if (!json.is_number_unsigned() || json.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX))
      return json.get<int64_t>();
    return json.get<double>();
  }
  if (!json.is_number())
    place.fault("configuration." + parameter, "is {}, expected a number or a text", json.type_name());
  const auto real = json.get<double>();
  constexpr double exact = 9007199254740992;  // 2^53
  if (real == std::trunc(real) && std::abs(real) <= exact) return static_cast<int64_t>(real);
  return real;
}

/// The file's entries, one after the other.
class Results {
 public:
  /// `default_us`: how long the unit is that times without one have.
  Results(const std::string& file, double default_us) : file_(file), default_us_(default_us) {}

  void add(const Json& json) {
    const Place place{file_, entries_.size()};
    if (!json.is_object()) place.fault("", "is {}, expected an object", json.type_name());
    RecordedEntry entry;
    add_choices(entry, required(json, "configuration", &Json::is_object, "an object", place), place);
    entry.invalidity = required(json, "invalidity", &Json::is_string, "a text", place).get<std::string>();
    if (const Json* reason = member(json, "reason"); reason != nullptr && reason->is_string())
      entry.reason = reason->get<std::string>();
    const double us = add_time(entry, json, place);
    add_samples(entry, json, us, place);
    if (entry.invalidity != invalidity::kCorrect) {
      entry.time_us.reset();
    } else if (!entry.time_us) {
      if (entry.samples_us.empty()) place.fault("", "is \"correct\" and has neither a time nor run times");
      entry.time_us = median(entry.samples_us);
    }
    entries_.push_back(std::move(entry));
  }

  void finish(RecordedSpace& space) { builder_.finish(space, std::move(entries_)); }

 private:
  static double median(std::vector<double> values) {
    std::ranges::sort(values);
    return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  }

  void add_choices(RecordedEntry& entry, const Json& configuration, const Place& place) {
    if (entries_.empty()) {
      std::vector<std::string> names;
      for (const auto& [name, value] : configuration.items()) names.push_back(name);
      builder_.set_parameters(std::move(names));
    }
    const auto& parameters = builder_.parameters();
    auto next = configuration.begin();  // mostly in the first entry's order
    for (size_t i = 0; i < parameters.size(); ++i) {
      const std::string& name = parameters[i].name;
      const bool in_order = next != configuration.end() && next.key() == name;
      const auto found = in_order ? next : configuration.find(name);
      if (found == configuration.end()) place.fault("configuration", "lacks {}, which results[0] has", shown(name));
      entry.choices.push_back(builder_.choice(i, value_of(*found, name, place)));
      if (next != configuration.end()) ++next;
    }
    if (configuration.size() == parameters.size()) return;
    for (const auto& [name, value] : configuration.items()) {
      if (std::ranges::find(parameters, name, &RecordedParameter::name) == parameters.end())
        place.fault("configuration", "has {}, which results[0] has not", shown(name));
    }
  }

  /// Fills the time; how many microseconds the entry's unit has.
  double add_time(RecordedEntry& entry, const Json& json, const Place& place) const {
    const Json* measurements = member(json, "measurements");
    if (measurements == nullptr) return default_us_;
    if (!measurements->is_array()) place.fault("measurements", "is {}, expected a list", measurements->type_name());
    const Json* time = measurement(*measurements, objective(json));
    if (time == nullptr) time = measurement(*measurements, "time");
    if (time == nullptr) return default_us_;
    double us = default_us_;
    if (const Json* unit = member(*time, "unit"); unit != nullptr && unit->is_string() && *unit != "") {
      const auto known = unit_us(unit->get_ref<const std::string&>());
      if (!known) {
        place.fault("measurements", "the objective's unit is {}, which is no unit of time", shown(*unit));
      }
      us = *known;
    }
    const Json* value = member(*time, "value");
    if (value == nullptr || value->is_null()) return us;
    if (value->is_string()) {  // Kernel Tuner writes there why there is none
      if (entry.reason.empty()) entry.reason = value->get<std::string>();
      return us;
    }
    if (!value->is_number()) place.fault("measurements", "a time is {}, expected a number", value->type_name());
    entry.time_us = value->get<double>() * us;
    const bool counts = entry.invalidity == invalidity::kCorrect;
    if (counts && !(*entry.time_us > 0 && std::isfinite(*entry.time_us)))
      place.fault("measurements", "the time {} is not positive and finite", value->get<double>());
    return us;
  }

  static std::string objective(const Json& json) {
    const Json* objectives = member(json, "objectives");
    if (objectives == nullptr || !objectives->is_array() || objectives->empty() || !objectives->front().is_string())
      return "time";
    return objectives->front().get<std::string>();
  }

  static const Json* measurement(const Json& list, const std::string& name) {
    for (const Json& one : list) {
      if (!one.is_object()) continue;
      if (const Json* its = member(one, "name"); its != nullptr && its->is_string() && *its == name) return &one;
    }
    return nullptr;
  }

  static void add_samples(RecordedEntry& entry, const Json& json, double us, const Place& place) {
    const Json& times = required(json, "times", &Json::is_object, "an object", place);
    const Json* runs = member(times, "runtimes");
    if (runs == nullptr) return;
    if (!runs->is_array()) place.fault("times.runtimes", "is {}, expected a list", runs->type_name());
    entry.samples_us.reserve(runs->size());
    for (const Json& run : *runs) {
      const double time_us = run.is_number() ? run.get<double>() * us : 0;
      if (!(time_us > 0 && std::isfinite(time_us)))
        place.fault("times.runtimes", "holds {}, expected positive finite numbers", shown(run));
      entry.samples_us.push_back(time_us);
    }
  }

  const std::string& file_;
  double default_us_;
  SpaceBuilder builder_;
  std::vector<RecordedEntry> entries_;
};

/// What the parser says, without what only its authors need: "[its code] where: WHAT; last read: raw bytes; expected
/// …".
std::string reason_of(std::string text) {
  for (const std::string_view end : {std::string_view("] "), std::string_view(": ")}) {
    if (const size_t at = text.find(end); at != std::string::npos) text.erase(0, at + end.size());
  }
  if (const size_t read = text.find("; last read: "); read != std::string::npos) {
    const size_t expected = text.rfind("; expected ");
    text.erase(read, expected != std::string::npos && expected > read ? expected - read : std::string::npos);
  }
  constexpr size_t most = 200;  // a number may have any length
  return text.substr(0, most);
}

Json parse_json(std::string_view text, const std::string& file) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    const std::string_view before = text.substr(0, std::min(text.size(), error.byte > 0 ? error.byte - 1 : 0));
    const auto line = std::ranges::count(before, '\n') + 1;
    const size_t column = before.size() - (before.rfind('\n') + 1);  // npos + 1 is 0
    bad_input_at({file, static_cast<int>(line), static_cast<int>(column + 1)}, "not JSON: {}", reason_of(error.what()));
  } catch (const Json::exception& error) {  // a number out of range
    bad_input("{}: not JSON: {}", file, reason_of(error.what()));
  }
}

/// "KERNEL-GPU.T4.json.gz": what the metadata do not say.
void name_by_file(RecordedSpace& space, const std::string& file) {
  std::string stem = std::filesystem::path(file).filename().string();
  for (const std::string_view ending : {".gz", ".json", ".T4", ".t4"}) {
    if (stem.ends_with(ending)) stem.resize(stem.size() - ending.size());
  }
  const size_t dash = stem.rfind('-');
  if (space.kernel.empty()) space.kernel = stem.substr(0, dash);
  if (space.gpu.empty() && dash != std::string::npos) space.gpu = stem.substr(dash + 1);
}

/// How many microseconds the file's unit of time has.
double read_metadata(RecordedSpace& space, const Json& root, const std::string& file) {
  space.time_unit = "milliseconds";
  const Json* metadata = member(root, "metadata");
  if (metadata != nullptr && !metadata->is_object())
    bad_input("{}: metadata: is {}, expected an object", file, metadata->type_name());
  if (metadata != nullptr) {
    const std::array known{std::pair("name", &space.name), std::pair("kernel", &space.kernel),
                           std::pair("gpu", &space.gpu), std::pair("source", &space.source),
                           std::pair("timeunit", &space.time_unit)};
    for (const auto& [key, value] : metadata->items()) {
      if (value.is_structured() || value.is_null()) continue;
      std::string text = value.is_string() ? value.get<std::string>() : value.dump();
      const auto field = std::ranges::find_if(known, [&](const auto& pair) { return key == pair.first; });
      if (field != known.end()) {
        *field->second = std::move(text);
      } else {
        space.notes.emplace_back(key, std::move(text));
      }
    }
  }
  const auto us = unit_us(space.time_unit);
  if (!us) bad_input("{}: metadata.timeunit: {} is no unit of time", file, shown(space.time_unit));
  return *us;
}

}  // namespace

RecordedSpace read_t4(const std::filesystem::path& path) { return parse_t4(read_file(path), path.string()); }

RecordedSpace parse_t4(std::string_view bytes, const std::string& file) {
  if (is_gzip(bytes)) {
    const std::string text = gunzip(bytes, file);
    if (is_gzip(text)) bad_input("{}: is packed twice", file);
    return parse_t4(text, file);
  }
  const Json root = parse_json(bytes, file);
  const Json* results = root.is_object() ? member(root, "results") : nullptr;
  if (results == nullptr || !results->is_array()) bad_input("{}: has no list \"results\": this is no T4 file", file);
  RecordedSpace space;
  Results entries(file, read_metadata(space, root, file));
  name_by_file(space, file);
  if (space.name.empty()) space.name = space.gpu.empty() ? space.kernel : space.kernel + " on " + space.gpu;
  for (const Json& result : *results) entries.add(result);
  entries.finish(space);
  return space;
}

}  // namespace qoq::interchange
