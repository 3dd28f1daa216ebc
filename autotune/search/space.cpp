#include "autotune/search/space.h"

#include <algorithm>
#include <set>
#include <string>

#include "kernels/base/error.h"

namespace qoq::search {

Space::Space(std::vector<Parameter> parameters, Predicate admits)
    : parameters_(std::move(parameters)), admits_(std::move(admits)) {
  std::set<std::string> names;
  for (const Parameter& parameter : parameters_) {
    if (parameter.values.empty()) bad_input("the parameter {} has no value", parameter.name);
    if (!names.insert(parameter.name).second) bad_input("two parameters are called {}", parameter.name);
    if (__builtin_mul_overflow(combinations_, parameter.values.size(), &combinations_) || combinations_ > uint64_t{1}
                                                                                                              << 62) {
      bad_input("the space has more than 2^62 combinations at the parameter {}", parameter.name);
    }
  }
}

std::optional<Point> Space::at(uint64_t index) const {
  Point point;
  for (auto parameter = parameters_.rbegin(); parameter != parameters_.rend(); ++parameter) {
    const std::size_t count = parameter->values.size();
    point[parameter->name] = parameter->values[index % count];
    index /= count;
  }
  if (admits_ && !admits_(point)) return std::nullopt;
  return point;
}

std::vector<uint32_t> Space::positions(uint64_t index) const {
  std::vector<uint32_t> positions(parameters_.size());
  for (std::size_t i = parameters_.size(); i-- > 0;) {
    const std::size_t count = parameters_[i].values.size();
    positions[i] = static_cast<uint32_t>(index % count);
    index /= count;
  }
  return positions;
}

uint64_t Space::index(std::span<const uint32_t> positions) const {
  uint64_t index = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) index = index * parameters_[i].values.size() + positions[i];
  return index;
}

uint64_t Space::index(const Point& point) const {
  uint64_t index = 0;
  for (const Parameter& parameter : parameters_) {
    const auto value = point.find(parameter.name);
    if (value == point.end()) fail("a point of the space has no {}", parameter.name);
    const auto place = std::ranges::find(parameter.values, value->second);
    if (place == parameter.values.end()) fail("{} = {} is no value of the space", parameter.name, value->second);
    index = index * parameter.values.size() + static_cast<uint64_t>(place - parameter.values.begin());
  }
  return index;
}

std::vector<Point> enumerate(const Space& space) {
  std::vector<Point> points;
  for (uint64_t index = 0; index < space.combinations(); ++index) {
    if (auto point = space.at(index)) points.push_back(*std::move(point));
  }
  return points;
}

}  // namespace qoq::search
