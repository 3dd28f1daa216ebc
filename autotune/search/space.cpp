#include "autotune/search/space.h"

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

std::vector<Point> enumerate(const Space& space) {
  std::vector<Point> points;
  for (uint64_t index = 0; index < space.combinations(); ++index) {
    if (auto point = space.at(index)) points.push_back(*std::move(point));
  }
  return points;
}

}  // namespace qoq::search
