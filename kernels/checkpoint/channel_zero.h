#pragma once
#include <cstdint>

#include "kernels/base/float16.h"
#include "kernels/qoq/rounding.h"

namespace qoq {

/// A channel's zero point from what kernels take, fp16(z·s1): that product is off by 2^-11 of itself at most and z is
/// at most 15, so the nearest whole number is z. 255 where none of 0 … 15 is meant.
inline uint8_t channel_zero(uint16_t szero, uint16_t s1) {
  const float ratio = half_to_float(szero) / half_to_float(s1);
  return ratio >= 0 && ratio < 15.5f ? static_cast<uint8_t>(nearest_integer(ratio)) : uint8_t{255};
}

}  // namespace qoq
