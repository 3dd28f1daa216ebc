#include "autotune/interchange/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace qoq::interchange {

using Json = nlohmann::ordered_json;

namespace {

/// A foreign text on a terminal: no control characters.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

/// By linear interpolation between the neighbours; `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(place);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return std::lerp(sorted[low], sorted[high], place - static_cast<double>(low));
}

std::string configuration_text(const RecordedSpace& space, const RecordedEntry& entry) {
  std::string text;
  for (size_t i = 0; i < space.parameters.size(); ++i) {
    text += fmt::format("{}{}={}", i == 0 ? "" : " ", printable(space.parameters[i].name),
                        printable(to_text(space.value(entry, i))));
  }
  return text;
}

std::string values_text(const RecordedParameter& parameter) {
  constexpr size_t most = 12;
  std::string text;
  for (size_t i = 0; i < std::min(most, parameter.values.size()); ++i)
    text += fmt::format(" {}", printable(to_text(parameter.values[i])));
  if (parameter.values.size() > most) {
    text += fmt::format(" … {} ({} values)", printable(to_text(parameter.values.back())), parameter.values.size());
  }
  return text;
}

Json json_of(const Value& value) {
  return std::visit([](const auto& alternative) { return Json(alternative); }, value);
}

}  // namespace

Summary summarize(const RecordedSpace& space) {
  Summary summary;
  summary.entries = space.entries.size();
  summary.combinations = space.parameters.empty() ? 0 : 1;
  for (const RecordedParameter& parameter : space.parameters)
    summary.combinations *= static_cast<double>(parameter.values.size());
  std::vector<double> times;
  for (size_t i = 0; i < space.entries.size(); ++i) {
    const RecordedEntry& entry = space.entries[i];
    if (!entry.time_us) {
      ++summary.invalid[entry.invalidity];
      continue;
    }
    times.push_back(*entry.time_us);
    if (!summary.best || *entry.time_us < *space.entries[*summary.best].time_us) summary.best = i;
  }
  summary.timed = times.size();
  if (times.empty()) return summary;
  std::ranges::sort(times);
  for (size_t i = 0; i < summary.quartiles_us.size(); ++i)
    summary.quartiles_us[i] = quantile(times, 0.25 * static_cast<double>(i));
  return summary;
}

std::string to_text(const RecordedSpace& space, const Summary& summary) {
  std::string text = fmt::format("{}\n", printable(space.name));
  const auto line = [&](std::string_view name, const std::string& what) {
    if (!what.empty()) text += fmt::format("  {:<11} {}\n", name, what);
  };
  line("kernel", printable(space.kernel));
  line("GPU", printable(space.gpu));
  line("source", printable(space.source));
  line("entries", fmt::format("{}, {} with a time; the parameters' values combine to {:.0f}", summary.entries,
                              summary.timed, summary.combinations));
  std::string words;
  for (const auto& [word, count] : summary.invalid)
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", count, printable(word));
  line("invalid", words);
  if (summary.best) {
    const RecordedEntry& best = space.entries[*summary.best];
    line("best", fmt::format("{:.2f} us, {} samples: {}", *best.time_us, best.samples_us.size(),
                             configuration_text(space, best)));
    const auto& q = summary.quartiles_us;
    line("times", fmt::format("{:.2f} us least, quartiles {:.2f}, {:.2f}, {:.2f}, most {:.2f} (median / best: {:.2f})",
                              q[0], q[1], q[2], q[3], q[4], q[2] / q[0]));
  }
  size_t width = 0;
  for (const RecordedParameter& parameter : space.parameters) width = std::max(width, parameter.name.size());
  line("parameters", fmt::format("{}", space.parameters.size()));
  for (const RecordedParameter& parameter : space.parameters)
    text += fmt::format("    {:<{}} {}\n", printable(parameter.name), width, values_text(parameter));
  return text;
}

Json to_json(const RecordedSpace& space, const Summary& summary) {
  Json parameters = Json::array();
  for (const RecordedParameter& parameter : space.parameters) {
    Json values = Json::array();
    for (const Value& value : parameter.values) values.push_back(json_of(value));
    parameters.push_back({{"name", parameter.name}, {"values", std::move(values)}});
  }
  Json best;
  Json quartiles;
  if (summary.best) {
    const RecordedEntry& entry = space.entries[*summary.best];
    Json configuration = Json::object();
    for (size_t i = 0; i < space.parameters.size(); ++i)
      configuration[space.parameters[i].name] = json_of(space.value(entry, i));
    best = {{"time_us", *entry.time_us}, {"samples", entry.samples_us.size()}, {"configuration", configuration}};
    quartiles = summary.quartiles_us;
  }
  return {{"name", space.name},
          {"kernel", space.kernel},
          {"gpu", space.gpu},
          {"source", space.source},
          {"time_unit", space.time_unit},
          {"entries", summary.entries},
          {"timed", summary.timed},
          {"invalid", summary.invalid},
          {"combinations", summary.combinations},
          {"parameters", std::move(parameters)},
          {"best", std::move(best)},
          {"quartiles_us", std::move(quartiles)}};
}

}  // namespace qoq::interchange
