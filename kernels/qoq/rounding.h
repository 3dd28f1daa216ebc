#pragma once
#include <bit>
#include <cstdint>

#include "kernels/base/float16.h"

namespace qoq {

/// The nearest integer, ties to even, of |x| < 2^22. The sum's ulp is 1 there, so the addition itself rounds: the same
/// on every machine in the default rounding mode, and it vectorises where rint is a call.
inline int32_t nearest_integer(float x) { return std::bit_cast<int32_t>(x + 0x1.8p23f) - 0x4b400000; }

/// The least positive fp16 number whose product with `steps` is not below `range`; infinity when there is none.
/// Products are exact in fp32 up to steps = 8191. A range of 0 takes the least fp16 number, 2^-24.
inline uint16_t covering_half(float range, int steps) {
  if (range <= 0) return 1;  // −0 too
  const float count = static_cast<float>(steps);
  uint16_t bits = float_to_half(range / count);
  if (bits == 0 || half_to_float(bits) * count < range) ++bits;
  return bits;
}

}  // namespace qoq
