// Floats of the vocabulary: conversions exhaustively against the compiler's own half type where it has one.
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

TEST(Conversion, FmaRoundsOnce) {
  const float a = 1 + 0x1p-12f;
  EXPECT_EQ(fma(a, a, -1.0f), 0x1p-11f + 0x1p-24f);
  EXPECT_NE(fma(a, a, -1.0f), a * a - 1.0f);
}

__extension__ using Wide = __int128;

/// A finite half as a whole number of 2^-24.
Wide scaled(u16 bits) {
  const int exponent = bits >> 10 & 31;
  const i64 significand = (bits & 0x3ff) | (exponent > 0 ? 0x400 : 0);
  return static_cast<Wide>(bits & 0x8000 ? -significand : significand) << (exponent > 0 ? exponent - 1 : 0);
}

/// `value` · 2^-48 to the nearest half, ties to even, by whole numbers alone.
u16 nearest_half(Wide value) {
  const u16 sign = value < 0 ? 0x8000 : 0;
  const Wide rest = value < 0 ? -value : value;
  int shift = 24;  // of the last place: 2^-24 for subnormals
  while (rest >> shift >= 2048) ++shift;
  Wide places = rest >> shift;
  const Wide left = rest - (places << shift), middle = static_cast<Wide>(1) << (shift - 1);
  if (left > middle || (left == middle && places % 2 == 1)) ++places;
  const u32 bits = static_cast<u32>(places) + (static_cast<u32>(shift - 24) << 10);  // a carry goes into the exponent
  return sign | static_cast<u16>(bits < 0x7c00 ? bits : 0x7c00);
}

TEST(Conversion, FmaOfHalvesRoundsOnce) {
  std::mt19937 random(5);
  const auto draw = [&] {
    const u32 bits = random();
    return static_cast<u16>((bits >> 10 & 31) == 31 ? bits ^ 0x4000 : bits);
  };
  for (int i = 0; i < 3000000; ++i) {
    const u16 a = draw(), b = draw();
    u16 c = draw();
    const Wide product = scaled(a) * scaled(b);
    // Every other addend lies where the rounding of the sum is close.
    if (i % 2 == 0) c = nearest_half(product) ^ static_cast<u16>(0x8000 | (random() % 4));
    if ((c >> 10 & 31) == 31) continue;
    const Wide sum = product + (scaled(c) << 24);
    if (sum == 0) continue;  // its sign is another matter
    const u32 found = fma_half2(a, b | u32{a} << 16, c);
    ASSERT_EQ(found & 0xffff, nearest_half(sum)) << a << " " << b << " " << c;
  }
  const u32 one = 0x3c003c00;
  EXPECT_EQ(fma_half2(one, 0x40004000, 0xc2003c00), 0xbc004200u);  // 2 - 3 | 2 + 1
  EXPECT_EQ(fma_half2(0x7bff, 0x7bff, 0x7bff), 0x7c00u);           // overflow
  EXPECT_EQ(fma_half2(0x0001, 0x3800, 0x8000), 0x0000u);           // half of the least subnormal: to even
  EXPECT_EQ(sub_half2(0x64056405, 0x640f6403), 0xc9004000u);       // 1029 − 1039 | 1029 − 1027
  EXPECT_EQ(sub_half2(0x00010001, 0x00010000), 0x00000001u);       // equals: +0; subnormals are kept
  EXPECT_EQ(mul_half2(0xc9003c01, 0x2e663c01), 0xbc003c02u);       // −10 · 0.1 rounds to −1; (1 + 2^-10)² down
  EXPECT_EQ(mul_half2(0x80007bff, 0x3c007bff), 0x80007c00u);       // −0 stays; overflow
}

TEST(Conversion, IntegersRoundToNearestEven) {
  EXPECT_EQ(int_to_float(16777217), 16777216.0f);
  EXPECT_EQ(int_to_float(16777219), 16777220.0f);
  EXPECT_EQ(int_to_float(-2147483647 - 1), -0x1p31f);
}

TEST(Conversion, BfloatIsTheUpperHalf) {
  for (u32 bits = 0; bits < 65536; ++bits) {
    ASSERT_EQ(std::bit_cast<u32>(to_float(bfloat{static_cast<u16>(bits)})), bits << 16);
  }
}

TEST(Conversion, PackPutsTheLowOneLow) {
  EXPECT_EQ(pack_half2(1.0f, -2.0f), 0xc0003c00u);
  EXPECT_EQ(pack_bfloat2(1.0f, -2.0f), 0xc0003f80u);
}

#if defined(__FLT16_MAX__)
u16 bits_of(_Float16 value) { return std::bit_cast<u16>(value); }

TEST(Conversion, EveryHalfToFloat) {
  for (u32 bits = 0; bits < 65536; ++bits) {
    const float expected = static_cast<float>(std::bit_cast<_Float16>(static_cast<u16>(bits)));
    const float found = to_float(half{static_cast<u16>(bits)});
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(found)) << bits;
    } else {
      ASSERT_EQ(std::bit_cast<u32>(found), std::bit_cast<u32>(expected)) << bits;
    }
  }
}

/// Each half, the midpoint to its neighbour and the floats beside both.
TEST(Conversion, EveryRoundingBoundaryToHalf) {
  for (u32 bits = 0; bits < 0x7c00; ++bits) {
    const auto low = static_cast<float>(std::bit_cast<_Float16>(static_cast<u16>(bits)));
    const float high =
        bits == 0x7bff ? 65536.0f : static_cast<float>(std::bit_cast<_Float16>(static_cast<u16>(bits + 1)));
    const float middle = low + (high - low) / 2;
    for (const float value :
         {low, middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e9f), std::nextafter(low, 1e9f)}) {
      const u32 packed = pack_half2(value, -value);
      ASSERT_EQ(packed & 0xffff, bits_of(static_cast<_Float16>(value))) << value;
      ASSERT_EQ(packed >> 16, bits_of(static_cast<_Float16>(-value))) << -value;
    }
  }
}

TEST(Conversion, RandomFloatsToHalf) {
  std::mt19937 random(5);
  for (int i = 0; i < 2000000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<u32>(random()));
    if (std::isnan(value)) continue;
    ASSERT_EQ(pack_half2(value, 0) & 0xffff, bits_of(static_cast<_Float16>(value))) << value;
  }
}
#else
TEST(Conversion, EveryHalfToFloat) { GTEST_SKIP() << "this compiler has no _Float16"; }
#endif

TEST(Conversion, NanBecomesTheQuietNan) {
  EXPECT_EQ(pack_half2(NAN, -NAN), 0x7fff7fffu);
  EXPECT_EQ(pack_bfloat2(NAN, -NAN), 0x7fff7fffu);
}

TEST(Conversion, FloatsToBfloat) {
  std::mt19937 random(6);
  for (int i = 0; i < 2000000; ++i) {
    const u32 bits = i < 65536 ? static_cast<u32>(i) << 16 | (i % 3 == 0   ? 0x8000u
                                                              : i % 3 == 1 ? 0x7fffu
                                                                           : 0x8001u)
                               : static_cast<u32>(random());
    const auto value = std::bit_cast<float>(bits);
    if (std::isnan(value)) continue;
    // The nearer neighbour in double arithmetic; on a tie the even one.
    const u32 low = bits >> 16;
    const double below = std::bit_cast<float>(low << 16);
    const u32 magnitude = (low & 0x7fff) + 1;  // may be infinity, whose stand-in is 2^128
    const double above = std::copysign(magnitude == 0x7f80 ? 0x1p128 : std::bit_cast<float>(magnitude << 16), value);
    const double to_below = std::abs(value - below);
    const double to_above = std::abs(above - value);
    const bool up = std::isfinite(value) && (to_above < to_below || (to_above == to_below && low % 2 == 1));
    ASSERT_EQ(pack_bfloat2(value, 0) & 0xffff, up ? low + 1 : low) << value;
  }
}

}  // namespace
}  // namespace qoq::tests
