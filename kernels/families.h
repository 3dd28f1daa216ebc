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

/// Reads and completes a problem's text form.
Problem parse_problem(std::string_view text);

}  // namespace qoq
