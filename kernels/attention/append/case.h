#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/attention/append/problem.h"

namespace qoq::attention {

/// New keys and values of one append, and the angles by which keys turn. Rows differ in offset and spread; some are
/// awkward: constant, zeros of both signs, tiny, huge, far from zero, halfway between codes, with one outlier, with a
/// NaN (not where 16 bits are kept).
struct AppendCase : Case {
  CacheProblem problem;
  uint64_t seed = 0;
  std::vector<uint16_t> k, v;       ///< [batch][tokens][heads][Dh] in the problem's element
  std::vector<float> cosine, sine;  ///< [longest][Dh/2]; empty without rope
};

AppendCase make_append_case(const CacheProblem& problem, uint64_t seed);

/// The pools before the append: random bytes everywhere. Pages are dealt out at random, some to nobody.
struct PagePools {
  std::vector<std::byte> k, v;  ///< [pages] × page_bytes
  std::vector<int32_t> table;   ///< [batch][width]; −1 where a sequence has no page
  int width = 0;                ///< pages of the longest sequence
};
PagePools draw_page_pools(const AppendCase& c, int page);

}  // namespace qoq::attention
