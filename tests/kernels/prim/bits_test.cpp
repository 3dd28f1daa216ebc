// Bits and integers of the vocabulary against plain definitions.
#include <bit>
#include <random>
#include <utility>

#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

template <u32 LUT>
void check_lop3(std::mt19937& random) {
  const u32 a = static_cast<u32>(random()), b = static_cast<u32>(random()), c = static_cast<u32>(random());
  u32 expected = 0;
  for (u32 i = 0; i < 32; ++i) {
    const u32 row = (a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1);
    expected |= (LUT >> row & 1) << i;
  }
  ASSERT_EQ(lop3<LUT>(a, b, c), expected) << "LUT " << LUT;
}

template <size_t... LUT>
void check_all_lop3(std::mt19937& random, std::index_sequence<LUT...>) {
  (check_lop3<LUT>(random), ...);
}

TEST(Bits, Lop3OfEveryTable) {
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) check_all_lop3(random, std::make_index_sequence<256>());
  // The tables everybody writes: of 0xf0, 0xcc, 0xaa.
  EXPECT_EQ((lop3<(0xf0 & 0xcc) | 0xaa>(0xff00, 0x0ff0, 0x1)), 0x0f01u);
}

TEST(Bits, PrmtOfEverySelectorNibble) {
  std::mt19937 random(2);
  for (int i = 0; i < 20000; ++i) {
    const u32 a = static_cast<u32>(random()), b = static_cast<u32>(random()), selector = static_cast<u32>(random());
    u32 expected = 0;
    for (int at = 0; at < 4; ++at) {
      const u32 nibble = selector >> (4 * at) & 15;
      const u32 source = (nibble & 7) < 4 ? a : b;
      const auto byte = static_cast<u8>(source >> (8 * (nibble & 3)));
      const u32 picked = nibble < 8 ? byte : static_cast<i8>(byte) < 0 ? 0xff : 0;
      expected |= picked << (8 * at);
    }
    ASSERT_EQ(prmt(a, b, selector), expected);
  }
  EXPECT_EQ(prmt(0x03020100, 0x07060504, 0x7520), 0x07050200u);
  EXPECT_EQ(prmt(0x80007f00, 0, 0x0b98), 0x00ff0000u);                // signs of bytes 3, 1 and 0
  EXPECT_EQ(prmt(0x11223344, 0, 0xffff0000u | 0x3210), 0x11223344u);  // only 16 bits of the selector count
}

TEST(Bits, IntegersWrap) {
  EXPECT_EQ(imad(0x10001, 0x10001, 5), 0x20006u);
  EXPECT_EQ(imad(0xffffffff, 0xffffffff, 0xffffffff), 0u);
  EXPECT_EQ(dp4a(0x80808080, 0x80808080, 1), 4 * 128 * 128 + 1);
  EXPECT_EQ(dp4a(0x01ff01ff, 0x01010101, 7), 7);
  EXPECT_EQ(dp4a(0x00000001, 0x00000001, 0x7fffffff), -0x7fffffff - 1);
}

TEST(Bits, SumsOfThreeAndRotations) {
  EXPECT_EQ(add3(0xffffffff, 2, 0xffffffff), 0u);
  EXPECT_EQ(add3(1, 20, 300), 321u);
  for (u32 by = 0; by < 64; ++by)
    EXPECT_EQ(rotate_left(0x80000001, by), std::rotl(0x80000001u, static_cast<int>(by % 32)));
}

TEST(Bits, Dp4a) {
  std::mt19937 random(3);
  for (int i = 0; i < 10000; ++i) {
    const u32 a = static_cast<u32>(random()), b = static_cast<u32>(random());
    const auto c = static_cast<i32>(random() % 1000);
    i32 expected = c;
    for (int e = 0; e < 4; ++e) expected += static_cast<i8>(a >> (8 * e)) * static_cast<i8>(b >> (8 * e));
    ASSERT_EQ(dp4a(a, b, c), expected);
  }
}

TEST(Bits, AddBytesHasNoCarries) {
  std::mt19937 random(4);
  for (int i = 0; i < 10000; ++i) {
    const u32 a = static_cast<u32>(random()), b = static_cast<u32>(random());
    u32 expected = 0;
    for (int e = 0; e < 32; e += 8) expected |= (((a >> e) + (b >> e)) & 0xff) << e;
    ASSERT_EQ(add_bytes(a, b), expected);
  }
}

}  // namespace
}  // namespace qoq::tests
