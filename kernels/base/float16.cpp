#include "kernels/base/float16.h"

#include <bit>

namespace qoq {

namespace {

constexpr uint16_t nan_bits = 0x7fff;

/// Drops `count` low bits, rounding to nearest, ties to even.
uint32_t round_off(uint32_t value, int count) {
  const uint32_t half = 1u << (count - 1);
  const uint32_t odd = (value >> count) & 1u;
  return (value + half - 1 + odd) >> count;
}

}  // namespace

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return nan_bits;
  if (magnitude >= 0x47800000u) return sign | 0x7c00u;  // 65536 and above, infinity too
  if (magnitude >= 0x38800000u) return static_cast<uint16_t>(sign | round_off(magnitude - 0x38000000u, 13));  // normal
  if (magnitude < 0x33000000u) return sign;                   // below half the least subnormal
  const int shift = 126 - static_cast<int>(magnitude >> 23);  // 14 … 24: the subnormal's unit is 2^-24
  return static_cast<uint16_t>(sign | round_off((magnitude & 0x7fffffu) | 0x800000u, shift));
}

float half_to_float(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign != 0 ? -magnitude : magnitude;
}

uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return nan_bits;
  return static_cast<uint16_t>(round_off(bits, 16));
}

float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

}  // namespace qoq
