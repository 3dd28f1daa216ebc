#include "autotune/job/restriction.h"

#include <fmt/format.h>

#include <algorithm>

#include "autotune/job/yaml.h"

namespace qoq::job {
namespace {

std::string value_text(const Parameter& parameter, std::size_t index) {
  return parameter.labels.empty() ? std::to_string(parameter.values[index]) : parameter.labels[index];
}

Parameter keep_allowed(const Parameter& parameter, const Restriction::Allowed& allowed) {
  std::vector<std::string> known;
  for (std::size_t i = 0; i < parameter.values.size(); ++i) known.push_back(value_text(parameter, i));
  Parameter kept{parameter.name, parameter.help, {}, {}};
  for (const Restriction::Value& value : allowed.values) {
    const auto found = std::ranges::find(known, value.text);
    if (found == known.end()) {
      bad_input_at(value.at, "{} has no value \"{}\"{}", parameter.name, value.text, suggestion(value.text, known));
    }
    const auto index = static_cast<std::size_t>(found - known.begin());
    if (std::ranges::find(kept.values, parameter.values[index]) != kept.values.end()) {
      bad_input_at(value.at, "{} lists \"{}\" twice", parameter.name, value.text);
    }
    kept.values.push_back(parameter.values[index]);
    if (!parameter.labels.empty()) kept.labels.push_back(parameter.labels[index]);
  }
  return kept;
}

}  // namespace

std::vector<Parameter> restrict_parameters(std::vector<Parameter> parameters, const Restriction& restriction) {
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  for (const Restriction::Allowed& allowed : restriction.allowed) {
    const auto found = std::ranges::find(parameters, allowed.parameter, &Parameter::name);
    if (found == parameters.end()) {
      bad_input_at(allowed.at, "{} has no parameter \"{}\"{}", restriction.family, allowed.parameter,
                   suggestion(allowed.parameter, names));
    }
    *found = keep_allowed(*found, allowed);
  }
  return parameters;
}

}  // namespace qoq::job
