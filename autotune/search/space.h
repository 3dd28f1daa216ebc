#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "kernels/family.h"

namespace qoq::search {

/// The points worth asking: every combination of the parameters' values that `admits`. Nothing is materialised; a
/// point is made from its index when it is needed.
class Space {
 public:
  using Predicate = std::function<bool(const Point&)>;

  /// `admits` empty: every combination. Throws Fault::Input when a parameter has no value, two have one name, or the
  /// product passes 2^62.
  explicit Space(std::vector<Parameter> parameters, Predicate admits = {});

  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Combinations, admitted or not.
  uint64_t combinations() const { return combinations_; }
  /// Combination `index` (below combinations()), the last parameter changing fastest; nothing when it is not admitted.
  std::optional<Point> at(uint64_t index) const;

  /// Where a combination lies: for each parameter the position among its values; and back.
  std::vector<uint32_t> positions(uint64_t index) const;
  uint64_t index(std::span<const uint32_t> positions) const;
  /// Of a point that at() gave. Throws Fault::Work when a value is none of the space's.
  uint64_t index(const Point& point) const;

 private:
  std::vector<Parameter> parameters_;
  Predicate admits_;
  uint64_t combinations_ = 1;
};

/// Admitted points in index order: convenient where the caller knows that they are few.
std::vector<Point> enumerate(const Space& space);

}  // namespace qoq::search
