// Reads a recorded device's JSON; its form is in recorded_device.h.
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "autotune/measure/recorded_device.h"
#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace qoq::measure {

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 7> fault_words = {"none",         "hang",          "sticky-error", "crash",
                                                         "wrong-output", "out-of-memory", "gpu-lost"};
constexpr std::array<std::string_view, 3> phase_words = {"verify", "time", "count"};

/// An object of the file that knows its place. Each key must be asked for: finish() faults on what nobody wanted.
class Fields {
 public:
  Fields(const json& object, std::string file, std::string path = "")
      : object_(object), file_(std::move(file)), path_(std::move(path)) {
    if (!object.is_object()) bad_input("{}: expected an object {{…}}, found {}", here(), object.dump());
  }

  const json* find(const std::string& key) {
    asked_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  const json& require(const std::string& key) {
    const json* value = find(key);
    if (value == nullptr) bad_input("{}: \"{}\" is missing", here(), key);
    return *value;
  }
  std::string here() const { return path_.empty() ? file_ : file_ + ": " + path_; }
  std::string place(const std::string& key) const { return file_ + ": " + path(key); }

  /// Left as it is when the key is absent.
  void read(const std::string& key, double& number, double low, double high = 1e12) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number() || value->get<double>() < low || value->get<double>() > high)
      bad_input("{}: expected a number in [{}, {}], found {}", place(key), low, high, value->dump());
    number = value->get<double>();
  }
  template <class Integer>
  void read_whole(const std::string& key, Integer& number, int64_t low, int64_t high = int64_t{1} << 53) {
    const json* value = find(key);
    if (value == nullptr) return;
    const bool whole = value->is_number_integer() && value->get<int64_t>() >= low && value->get<int64_t>() <= high;
    if (!whole) bad_input("{}: expected a whole number in [{}, {}], found {}", place(key), low, high, value->dump());
    number = static_cast<Integer>(value->get<int64_t>());
  }
  void read(const std::string& key, std::string& text) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) bad_input("{}: expected a text, found {}", place(key), value->dump());
    text = value->get<std::string>();
  }
  void read(const std::string& key, bool& flag) {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) bad_input("{}: expected true or false, found {}", place(key), value->dump());
    flag = value->get<bool>();
  }
  void read(const std::string& key, RecordedPattern& pattern) {
    std::string text;
    read(key, text);
    try {
      pattern = RecordedPattern(text);
    } catch (const std::regex_error& error) {
      bad_input("{}: \"{}\" is no regular expression: {}", place(key), text, error.what());
    }
  }
  /// Calls `read` with the fields of each object in a list.
  template <class Read>
  void each(const std::string& key, Read read) {
    const json* list = find(key);
    if (list == nullptr) return;
    if (!list->is_array()) bad_input("{}: expected a list […], found {}", place(key), list->dump());
    for (size_t i = 0; i < list->size(); ++i) {
      Fields fields((*list)[i], file_, path(key) + "[" + std::to_string(i) + "]");
      read(fields);
      fields.finish();
    }
  }
  /// Calls `read` with the fields of the object there, if there is one.
  template <class Read>
  void within(const std::string& key, Read read) {
    const json* object = find(key);
    if (object == nullptr) return;
    Fields fields(*object, file_, path(key));
    read(fields);
    fields.finish();
  }

  void finish() const {
    for (const auto& [key, value] : object_.items()) {
      if (asked_.contains(key)) continue;
      std::string known;
      for (const std::string& name : asked_) known += (known.empty() ? "" : ", ") + name;
      bad_input("{}: unknown key \"{}\"; known: {}", here(), key, known);
    }
  }

 private:
  std::string path(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

  const json& object_;
  std::string file_, path_;
  std::set<std::string> asked_;
};

/// The place of a word in a table of words.
template <class Words>
size_t place_of(const Words& words, const json& value, const std::string& where) {
  std::string known;
  for (size_t i = 0; i < words.size(); ++i) {
    if (value.is_string() && value.get<std::string>() == words[i]) return i;
    known += (known.empty() ? "" : ", ") + std::string(words[i]);
  }
  bad_input("{}: expected one of {}, found {}", where, known, value.dump());
}

void read_gpu(Fields& fields, runtime::AttachedGpu& gpu) {
  for (const char* key : {"name", "uuid", "compute_capability", "sm_count", "shared_per_block_bytes",
                          "shared_per_sm_bytes", "threads_per_sm", "blocks_per_sm", "l2_bytes", "memory_bytes"})
    fields.require(key);
  fields.read("name", gpu.device.name);
  fields.read("uuid", gpu.uuid);
  fields.read_whole("compute_capability", gpu.device.compute_capability, 80, 999);
  fields.read_whole("sm_count", gpu.device.sm_count, 1, 10000);
  fields.read_whole("shared_per_block_bytes", gpu.device.shared_per_block_bytes, 1);
  fields.read_whole("shared_per_sm_bytes", gpu.device.shared_per_sm_bytes, 1);
  fields.read_whole("shared_reserved_bytes", gpu.device.shared_reserved_bytes, 0);
  fields.read_whole("registers_per_sm", gpu.device.registers_per_sm, 1, 1 << 24);
  fields.read_whole("threads_per_sm", gpu.device.threads_per_sm, 1, 1 << 20);
  fields.read_whole("blocks_per_sm", gpu.device.blocks_per_sm, 1, 1 << 20);
  fields.read_whole("l2_bytes", gpu.device.l2_bytes, 1);
  fields.read_whole("memory_bytes", gpu.memory_bytes, 1);
  fields.read_whole("driver_api", gpu.driver_version, 0, 1'000'000);
  fields.read("driver", gpu.driver);
  fields.read("mig", gpu.mig);
  fields.read("power_cap_w", gpu.power_cap_w, 0);
}

void read_rates(Fields& fields, RecordedDevice& device) {
  constexpr double least = 1e-9;  // above 0
  fields.read("clock_mhz", device.clock_mhz, least);
  fields.read("dram_gb_s", device.dram_gb_s, least);
  fields.read("tensor_tops", device.tensor_tops, least);
  fields.read_whole("seed", device.seed, 0);
  fields.read("timeout_s", device.timeout_s, least);
  fields.read("sample_us", device.sample_us, 0);
  fields.read("cold_factor", device.cold_factor, least);
  fields.read("hot_factor", device.hot_factor, least);
  fields.read("graph_factor", device.graph_factor, least);
  fields.read("really", device.really);
  fields.within("noise", [&](Fields& noise) {
    noise.read("share", device.noise.share, 0, 0.3);
    noise.read("tail_share", device.noise.tail_share, 0, 1);
    noise.read("tail", device.noise.tail, 0);
  });
  fields.within("drift", [&](Fields& drift) {
    drift.read("share", device.drift.share, -0.9, 10);
    drift.read("over_s", device.drift.over_s, least);
  });
  fields.each("throttling", [&](Fields& entry) {
    RecordedThrottling episode;
    entry.require("from_s");
    entry.require("to_s");
    entry.read("from_s", episode.from_s, 0);
    entry.read("to_s", episode.to_s, episode.from_s);
    entry.read("clock_factor", episode.clock_factor, 0.01, 1);
    entry.read("in_nvml", episode.in_nvml);
    entry.read("in_clock", episode.in_clock);
    device.throttling.push_back(episode);
  });
}

void read_variants(Fields& fields, RecordedDevice& device) {
  fields.each("times", [&](Fields& entry) {
    RecordedTime time;
    entry.read("variant", time.variant);
    entry.read("problem", time.problem);
    entry.require("us");
    entry.read("us", time.us, 1e-3);
    device.times.push_back(std::move(time));
  });
  fields.each("faults", [&](Fields& entry) {
    RecordedTrouble trouble;
    entry.read("variant", trouble.variant);
    entry.read("problem", trouble.problem);
    trouble.fault = static_cast<RecordedFault>(place_of(fault_words, entry.require("fault"), entry.place("fault")));
    if (const json* during = entry.find("during")) {
      if (!during->is_array()) bad_input("{}: expected a list […], found {}", entry.place("during"), during->dump());
      for (const json& phase : *during)
        trouble.during.push_back(static_cast<RecordedPhase>(place_of(phase_words, phase, entry.place("during"))));
    }
    entry.read_whole("after_samples", trouble.after_samples, 0, 1'000'000);
    device.faults.push_back(std::move(trouble));
  });
  fields.read("counters_refused", device.counters_refused);
  fields.read("activity_factor", device.activity_factor, 1e-3);
  if (const json* counters = fields.find("counters")) {
    if (!counters->is_object()) bad_input("{}: expected an object {{…}}", fields.place("counters"));
    for (const auto& [name, value] : counters->items()) {
      if (!value.is_number()) bad_input("{}: expected a number", fields.place("counters") + "." + name);
      device.counters[name] = value.get<double>();
    }
  }
}

}  // namespace

std::string_view to_text(RecordedFault fault) { return fault_words[static_cast<size_t>(fault)]; }

RecordedDevice RecordedDevice::parse(const std::string& file, std::string_view text) {
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    bad_input("{}: not JSON: {}", file, error.what());
  }
  Fields fields(document, file);
  int version = 0;
  fields.require("recorded_gpu");
  fields.read_whole("recorded_gpu", version, 1, 1);
  RecordedDevice device;
  fields.require("gpu");
  fields.within("gpu", [&](Fields& gpu) { read_gpu(gpu, device.gpu); });
  read_rates(fields, device);
  read_variants(fields, device);
  fields.finish();
  return device;
}

RecordedDevice RecordedDevice::load(const std::filesystem::path& path) { return parse(path.string(), read_file(path)); }

}  // namespace qoq::measure
