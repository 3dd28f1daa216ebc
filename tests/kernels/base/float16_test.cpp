// Half and bfloat16 conversion: exhaustive one way, every rounding boundary the other way, against definitions that
// share nothing with the implementation (ldexp on the fields; the compiler's own half type where it has one).
#include "kernels/base/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

namespace qoq {
namespace {

/// The value of a half by IEEE 754's definition of its fields.
double value_of_half(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  if (exponent == 31) magnitude = mantissa == 0 ? INFINITY : NAN;
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

TEST(Float16, EveryHalfHasItsValue) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const double expected = value_of_half(bits);
    const float found = half_to_float(bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(found));
    } else {
      ASSERT_EQ(found, expected);
      ASSERT_EQ(std::signbit(found), std::signbit(expected));
    }
  }
}

TEST(Float16, EveryHalfAndBfloatComesBack) {
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float half = half_to_float(bits);
    ASSERT_EQ(float_to_half(half), std::isnan(half) ? 0x7fff : bits);
    const float bfloat = bfloat16_to_float(bits);
    ASSERT_EQ(float_to_bfloat16(bfloat), std::isnan(bfloat) ? 0x7fff : bits);
  }
}

/// Between neighbours below < above (bit patterns i, i + 1): nearer wins, a tie goes to the even pattern.
template <class Convert>
void check_between(uint16_t i, double below, double above, Convert convert) {
  const auto middle = static_cast<float>(below + (above - below) / 2);  // exact: one more bit
  const uint16_t even = i % 2 == 0 ? i : static_cast<uint16_t>(i + 1);
  ASSERT_EQ(convert(middle), even) << middle;
  ASSERT_EQ(convert(std::nextafter(middle, 0.0f)), i) << middle;
  ASSERT_EQ(convert(std::nextafter(middle, INFINITY)), i + 1) << middle;
  ASSERT_EQ(convert(-middle), even | 0x8000) << middle;
}

TEST(Float16, HalfRoundsToNearestEven) {
  for (uint16_t i = 0; i < 0x7c00; ++i) {
    const double above = i == 0x7bff ? 65536.0 : value_of_half(static_cast<uint16_t>(i + 1));
    check_between(i, value_of_half(i), above, float_to_half);
  }
  EXPECT_EQ(float_to_half(1e30f), 0x7c00);
  EXPECT_EQ(float_to_half(-INFINITY), 0xfc00);
}

TEST(Float16, BfloatRoundsToNearestEven) {
  for (uint16_t i = 1; i < 0x7f80; ++i) {
    const double above = i == 0x7f7f ? 0x1p128 : bfloat16_to_float(static_cast<uint16_t>(i + 1));
    check_between(i, bfloat16_to_float(i), above, float_to_bfloat16);
  }
  EXPECT_EQ(float_to_bfloat16(INFINITY), 0x7f80);
}

TEST(Float16, NansAreQuietAndPositive) {
  for (const uint32_t bits : {0x7f800001u, 0x7fffffffu, 0xffc00000u, 0xff800001u}) {
    EXPECT_EQ(float_to_half(std::bit_cast<float>(bits)), 0x7fff);
    EXPECT_EQ(float_to_bfloat16(std::bit_cast<float>(bits)), 0x7fff);
  }
}

#if defined(__FLT16_MAX__)
TEST(Float16, RandomFloatsAgreeWithTheCompiler) {
  std::mt19937 random(7);
  for (int i = 0; i < 5000000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isnan(value)) continue;
    ASSERT_EQ(float_to_half(value), std::bit_cast<uint16_t>(static_cast<_Float16>(value)));
  }
}
#endif

}  // namespace
}  // namespace qoq
