#pragma once
#include <string>

#include "kernels/families.h"

namespace qoq::test {

/// An attention/decode point from the part of a variant's id that follows the head's size: "p64.tl32.st3.w4.rt1.sp0.
/// tokens.kernel.fragment".
inline Point decode_point(const std::string& id, const Problem& problem) {
  const std::string name = "decode." + problem.scheme + ".dh" + std::string(problem.field("dh")) + "." + id;
  const auto found = family_named("attention/decode").parse_variant(name, problem);
  if (!found) throw std::runtime_error(id + " is no attention/decode point");
  return found->first;
}

}  // namespace qoq::test
