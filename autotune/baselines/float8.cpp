#include "autotune/baselines/float8.h"

#include <cmath>
#include <limits>

namespace qoq::baselines {

float e4m3_to_float(uint8_t bits) {
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  float magnitude = std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(mantissa), -9);
  } else if (exponent != 15 || mantissa != 7) {
    magnitude = std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  }
  return bits & 0x80 ? -magnitude : magnitude;
}

uint8_t float_to_e4m3(float value) {
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (std::isnan(value)) return static_cast<uint8_t>(sign | 0x7f);
  const float magnitude = std::fabs(value);
  if (magnitude >= 448.0f) return static_cast<uint8_t>(sign | 0x7e);
  // Codes of positive numbers rise with their values: the last one not above, then the nearer of two neighbours.
  uint8_t low = 0, high = 0x7e;
  while (high - low > 1) {
    const auto middle = static_cast<uint8_t>((low + high) / 2);
    (e4m3_to_float(middle) <= magnitude ? low : high) = middle;
  }
  const float below = magnitude - e4m3_to_float(low), above = e4m3_to_float(high) - magnitude;
  const bool up = above < below || (above == below && (low & 1) != 0);
  return static_cast<uint8_t>(sign | (up ? high : low));
}

}  // namespace qoq::baselines
