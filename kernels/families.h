#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/family.h"

namespace qoq {

/// Every family, in the order they are tried. The one place a new family is named.
const std::vector<std::unique_ptr<Family>>& families();

/// The families that solve a problem's operator and scheme. Throws Fault::Input when there is none.
std::vector<const Family*> families_for(const Problem& problem);

/// A family by name ("gemm/mma"). Throws Fault::Input with the known names.
const Family& family_named(std::string_view name);

/// What a variant's id names: its family, its point, and `shape`'s sizes in the id's scheme and output. Throws
/// Fault::Input when no family knows the id.
struct NamedVariant {
  const Family* family;
  Point point;
  Problem problem;
};
NamedVariant find_variant(std::string_view id, const Problem& shape);

/// Reads and completes a problem's text form.
Problem parse_problem(std::string_view text);

}  // namespace qoq
