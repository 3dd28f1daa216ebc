#pragma once
#include <vector>

#include "kernels/families.h"

namespace qoq::test {

/// A small problem of every scheme of every ceiling.
inline std::vector<Problem> every_ceiling() {
  std::vector<Problem> problems;
  for (const auto& family : families()) {
    if (family->op() != "ceiling") continue;
    for (const std::string& scheme : family->schemes()) {
      const bool by_warps = scheme.find('.') != std::string::npos || scheme == "shared";
      problems.push_back(Problem::parse("ceiling " + scheme +
                                        (by_warps             ? " warps=64 trips=2"
                                         : scheme == "launch" ? " ctas=5"
                                         : scheme == "l2"     ? " mb=2 reads=3"
                                                              : " mb=4")));
    }
  }
  return problems;
}

inline const Family& family_of(const Problem& problem) { return *families_for(problem).front(); }

/// The point whose every parameter has its first value, or another one.
inline Point first_point(const Family& family) {
  Point point;
  for (const Parameter& parameter : family.parameters()) point[parameter.name] = parameter.values.front();
  return point;
}

}  // namespace qoq::test
