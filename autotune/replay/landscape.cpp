#include "autotune/replay/landscape.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"

namespace qoq::replay {

using interchange::RecordedEntry;

namespace {

std::vector<Parameter> positions_of(const interchange::RecordedSpace& recorded) {
  std::vector<Parameter> parameters;
  for (const interchange::RecordedParameter& own : recorded.parameters) {
    Parameter& parameter = parameters.emplace_back();
    parameter.name = own.name;
    parameter.values.resize(own.values.size());
    std::iota(parameter.values.begin(), parameter.values.end(), 0);
  }
  return parameters;
}

}  // namespace

Landscape::Landscape(const interchange::RecordedSpace& recorded, const std::vector<std::optional<double>>& predicted_us)
    : name_(recorded.name), gpu_(recorded.gpu), source_(recorded.source), parameters_(positions_of(recorded)) {
  const search::Space all(parameters_);
  std::vector<double> times;
  for (size_t i = 0; i < recorded.entries.size(); ++i) {
    const RecordedEntry& entry = recorded.entries[i];
    if (entry.invalidity == interchange::invalidity::kConstraints) {
      ++refused_;
      continue;
    }
    const auto predicted = predicted_us.empty() ? std::nullopt : predicted_us.at(i);
    if (!answers_.try_emplace(all.index(std::span(entry.choices)), Answer{entry.time_us, predicted}).second) continue;
    if (!entry.time_us) continue;
    times.push_back(*entry.time_us);
    predictions_ += predicted ? 1 : 0;
  }
  if (times.empty()) bad_input("{}: no configuration has a time, so there is nothing to find", recorded.name);
  timed_ = times.size();
  best_us_ = *std::ranges::min_element(times);
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  median_us_ = *middle;
}

double Landscape::neighbours() const {
  const search::Space all(parameters_);
  size_t found = 0;
  for (const auto& [index, answer] : answers_) {
    std::vector<uint32_t> at = all.positions(index);
    for (size_t i = 0; i < at.size(); ++i) {
      const uint32_t own = at[i];
      for (at[i] = 0; at[i] < parameters_[i].values.size(); ++at[i])
        found += at[i] != own && answers_.contains(all.index(std::span<const uint32_t>(at))) ? 1 : 0;
      at[i] = own;
    }
  }
  return static_cast<double>(found) / static_cast<double>(points());
}

search::Space Landscape::space() const {
  const search::Space all(parameters_);
  return search::Space(parameters_, [this, all](const Point& point) { return answers_.contains(all.index(point)); });
}

std::optional<double> Landscape::time_us(const search::Space& space, const Point& point) const {
  return answers_.at(space.index(point)).time_us;
}

search::Predict Landscape::predict() const {
  return [this, all = search::Space(parameters_)](std::span<const Point> points) {
    std::vector<std::optional<double>> predicted;
    for (const Point& point : points) predicted.push_back(answers_.at(all.index(point)).predicted_us);
    return predicted;
  };
}

}  // namespace qoq::replay
