#include "autotune/interchange/recorded_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace qoq::interchange {

namespace {

bool is_number(const Value& value) { return value.index() < 2; }

double number(const Value& value) {
  const auto* whole = std::get_if<int64_t>(&value);
  return whole != nullptr ? static_cast<double>(*whole) : std::get<double>(value);
}

/// Numbers by size, whichever kind they are; then the others by kind.
bool comes_before(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b) && a.index() != b.index()) return number(a) < number(b);
  return a < b;
}

}  // namespace

std::string to_text(const Value& value) {
  return std::visit([](const auto& alternative) { return fmt::format("{}", alternative); }, value);
}

void SpaceBuilder::set_parameters(std::vector<std::string> names) {
  for (std::string& name : names) parameters_.push_back({std::move(name), {}});
  latest_.assign(parameters_.size(), 0);
}

uint32_t SpaceBuilder::choice(size_t parameter, const Value& value) {
  std::vector<Value>& values = parameters_[parameter].values;
  uint32_t& latest = latest_[parameter];
  if (latest < values.size() && values[latest] == value) return latest;
  // Parameters have tens of values: a search through them beats a hash of texts.
  const auto found = std::ranges::find(values, value);
  latest = static_cast<uint32_t>(found - values.begin());
  if (found == values.end()) values.push_back(value);
  return latest;
}

void SpaceBuilder::finish(RecordedSpace& space, std::vector<RecordedEntry> entries) {
  std::vector<std::vector<uint32_t>> places;  // of a parameter's values once they are sorted
  for (RecordedParameter& parameter : parameters_) {
    std::vector<uint32_t> order(parameter.values.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order,
                      [&](uint32_t a, uint32_t b) { return comes_before(parameter.values[a], parameter.values[b]); });
    std::vector<Value> sorted;
    std::vector<uint32_t>& place = places.emplace_back(order.size());
    for (uint32_t i = 0; i < order.size(); ++i) {
      sorted.push_back(std::move(parameter.values[order[i]]));
      place[order[i]] = i;
    }
    parameter.values = std::move(sorted);
  }
  for (RecordedEntry& entry : entries) {
    for (size_t i = 0; i < places.size(); ++i) entry.choices[i] = places[i][entry.choices[i]];
  }
  space.parameters = std::move(parameters_);
  space.entries = std::move(entries);
}

}  // namespace qoq::interchange
