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
