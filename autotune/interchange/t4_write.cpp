#include <nlohmann/json.hpp>

#include "autotune/interchange/t4.h"

namespace qoq::interchange {

using Json = nlohmann::ordered_json;

namespace {

/// What Kernel Tuner puts in the place of a time.
std::string failure_name(std::string_view word) {
  if (word == invalidity::kConstraints) return "InvalidConfig";
  if (word == invalidity::kCompile) return "CompilationFailedConfig";
  return "RuntimeFailedConfig";
}

Json json_of(const Value& value) {
  return std::visit([](const auto& alternative) { return Json(alternative); }, value);
}

Json json_of(const RecordedSpace& space, const RecordedEntry& entry) {
  Json configuration = Json::object();
  for (size_t i = 0; i < space.parameters.size(); ++i)
    configuration[space.parameters[i].name] = json_of(space.value(entry, i));
  Json times = Json::object();
  if (!entry.samples_us.empty()) times["runtimes"] = entry.samples_us;
  Json result{{"configuration", std::move(configuration)},
              {"times", std::move(times)},
              {"invalidity", entry.invalidity},
              {"correctness", entry.invalidity == invalidity::kCorrect ? 1 : 0}};
  if (!entry.reason.empty()) result["reason"] = entry.reason;  // ours: the schema allows more keys
  const Json value = entry.time_us ? Json(*entry.time_us) : Json(failure_name(entry.invalidity));
  result["measurements"] = Json::array({{{"name", "time"}, {"value", value}, {"unit", "microseconds"}}});
  result["objectives"] = Json::array({"time"});
  return result;
}

}  // namespace

std::string to_t4(const RecordedSpace& space) {
  Json metadata{{"timeunit", "microseconds"}, {"name", space.name}, {"kernel", space.kernel}, {"gpu", space.gpu}};
  if (!space.source.empty()) metadata["source"] = space.source;
  for (const auto& [key, text] : space.notes) metadata[key] = text;
  const auto dump = [](const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
  };
  // One result a line: such files are looked at and compared line by line.
  std::string text = "{\n\"schema_version\": \"1.0.0\",\n\"metadata\": " + dump(metadata, 2) + ",\n\"results\": [";
  for (size_t i = 0; i < space.entries.size(); ++i)
    text += (i == 0 ? "\n" : ",\n") + dump(json_of(space, space.entries[i]), -1);
  return text + "\n]\n}\n";
}

}  // namespace qoq::interchange
