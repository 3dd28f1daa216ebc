// Tensor-core products against a naive matrix product, fragments filled by the layouts of the PTX ISA
// (mma.m16n8k32 for 8-bit types, m16n8k64 for 4-bit, m16n8k16 for 16-bit ones), written down here a second time and
// differently.
#include <bit>
#include <cstring>
#include <random>

#include "kernels/base/float16.h"
#include "tests/kernels/emulator/run_kernel.h"

namespace qoq::tests {
namespace {

constexpr u32 I = 3;
constexpr u32 J = 2;

/// One warp tile of I × J 8-bit products and its accumulators.
struct Int8Tile {
  u8 a[I * 16][32];
  u8 b[32][J * 8];
  i32 d[I * 16][J * 8];
};
struct Int8Args {
  Int8Tile* tile;
};

enum class How { s8s8, s8u8, u8s8, tile_s8s8, tile_s8u8 };

// PTX: a's element i of lane: row = groupID for i in 0…3 and 8…11, else groupID + 8; column = threadID·4 + (i & 3),
// + 16 for i ≥ 8. b's element i: row = threadID·4 + (i & 3), + 16 for i ≥ 4; column = groupID.
// c's element i: row = groupID, + 8 for i ≥ 2; column = threadID·2 + (i & 1).
template <How how>
void int8_kernel(const Int8Args& args) {
  const u32 group = thread_index() >> 2;
  const u32 in_group = thread_index() % 4;
  Int8Tile& tile = *args.tile;
  u32 a[I][4] = {};
  u32 b[J][2] = {};
  i32 d[I][J][4];
  for (u32 i = 0; i < I; ++i) {
    for (u32 e = 0; e < 16; ++e) {
      const u32 row = e < 4 || (e >= 8 && e < 12) ? group : group + 8;
      const u32 column = in_group * 4 + (e & 3) + (e >= 8 ? 16 : 0);
      a[i][e / 4] |= u32{tile.a[i * 16 + row][column]} << (e % 4 * 8);
    }
  }
  for (u32 j = 0; j < J; ++j) {
    for (u32 e = 0; e < 8; ++e)
      b[j][e / 4] |= u32{tile.b[in_group * 4 + (e & 3) + (e >= 4 ? 16 : 0)][j * 8 + group]} << (e % 4 * 8);
  }
  const auto each = [&](auto&& visit) {
    for (u32 i = 0; i < I; ++i) {
      for (u32 j = 0; j < J; ++j) {
        for (u32 e = 0; e < 4; ++e) {
          visit(d[i][j][e], tile.d[i * 16 + group + (e >= 2 ? 8 : 0)][j * 8 + in_group * 2 + (e & 1)]);
        }
      }
    }
  };
  each([](i32& mine, i32& memory) { mine = memory; });
  if constexpr (how == How::tile_s8s8) {
    mma_tile_s8s8(d, a, b);
  } else if constexpr (how == How::tile_s8u8) {
    mma_tile_s8u8(d, a, b);
  } else {
    for (u32 i = 0; i < I; ++i) {
      for (u32 j = 0; j < J; ++j) {
        if constexpr (how == How::s8s8) mma_s8s8(d[i][j], a[i], b[j]);
        if constexpr (how == How::s8u8) mma_s8u8(d[i][j], a[i], b[j]);
        if constexpr (how == How::u8s8) mma_u8s8(d[i][j], a[i], b[j]);
      }
    }
  }
  each([](i32& mine, i32& memory) { memory = mine; });
}

template <How how>
void check_int8(u8 bias, unsigned seed) {
  constexpr bool unsigned_a = how == How::u8s8;
  constexpr bool unsigned_b = how == How::s8u8 || how == How::tile_s8u8;
  std::mt19937 random(seed);
  Int8Tile tile;
  for (auto& row : tile.a)
    for (u8& x : row) x = bias != 0 ? bias : static_cast<u8>(random());
  for (auto& row : tile.b)
    for (u8& x : row) x = bias != 0 ? bias : static_cast<u8>(random());
  for (auto& row : tile.d)
    for (i32& x : row) x = static_cast<i32>(random());  // large: sums wrap
  Int8Tile expected = tile;
  for (u32 m = 0; m < I * 16; ++m) {
    for (u32 n = 0; n < J * 8; ++n) {
      for (u32 k = 0; k < 32; ++k) {
        const i32 a = unsigned_a ? tile.a[m][k] : static_cast<i8>(tile.a[m][k]);
        const i32 b = unsigned_b ? tile.b[k][n] : static_cast<i8>(tile.b[k][n]);
        expected.d[m][n] = static_cast<i32>(static_cast<u32>(expected.d[m][n]) + static_cast<u32>(a * b));
      }
    }
  }
  Memory none;
  EXPECT_NO_FAULT(run_kernel([](const Int8Args& a) { int8_kernel<how>(a); }, Int8Args{&tile}, {}, none));
  EXPECT_EQ(std::memcmp(tile.d, expected.d, sizeof tile.d), 0);
}

template <How how>
void check_int8() {
  for (unsigned seed = 1; seed <= 20; ++seed) check_int8<how>(0, seed);
  check_int8<how>(0x80, 1);  // the largest products there are
  check_int8<how>(0xff, 1);
}

TEST(Mma, S8S8) { check_int8<How::s8s8>(); }
TEST(Mma, S8U8) { check_int8<How::s8u8>(); }
TEST(Mma, U8S8) { check_int8<How::u8s8>(); }
TEST(Mma, TileS8S8) { check_int8<How::tile_s8s8>(); }
TEST(Mma, TileS8U8) { check_int8<How::tile_s8u8>(); }

/// One warp tile of I × J 4-bit products; elements −8 … 7, one a byte.
struct Int4Tile {
  i8 a[I * 16][64];
  i8 b[64][J * 8];
  i32 d[I * 16][J * 8];
};
struct Int4Args {
  Int4Tile* tile;
};

// PTX, mma.m16n8k64: a's element i of lane: row = groupID for i in 0…7 and 16…23, else groupID + 8; column =
// threadID·8 + (i & 7), + 32 for i ≥ 16. b's element i: row = threadID·8 + (i & 7), + 32 for i ≥ 8; column = groupID.
// Element i of a register stands at bit 4·i. c as above.
template <bool WHOLE>
void int4_kernel(const Int4Args& args) {
  const u32 group = thread_index() >> 2;
  const u32 in_group = thread_index() % 4;
  Int4Tile& tile = *args.tile;
  const auto nibble = [](i8 value) { return static_cast<u32>(value) & 15u; };
  u32 a[I][4] = {};
  u32 b[J][2] = {};
  i32 d[I][J][4];
  for (u32 i = 0; i < I; ++i) {
    for (u32 e = 0; e < 32; ++e) {
      const u32 row = e < 8 || (e >= 16 && e < 24) ? group : group + 8;
      const u32 column = in_group * 8 + (e & 7) + (e >= 16 ? 32 : 0);
      a[i][e / 8] |= nibble(tile.a[i * 16 + row][column]) << (e % 8 * 4);
    }
  }
  for (u32 j = 0; j < J; ++j) {
    for (u32 e = 0; e < 16; ++e)
      b[j][e / 8] |= nibble(tile.b[in_group * 8 + (e & 7) + (e >= 8 ? 32 : 0)][j * 8 + group]) << (e % 8 * 4);
  }
  const auto each = [&](auto&& visit) {
    for (u32 i = 0; i < I; ++i) {
      for (u32 j = 0; j < J; ++j) {
        for (u32 e = 0; e < 4; ++e) {
          visit(d[i][j][e], tile.d[i * 16 + group + (e >= 2 ? 8 : 0)][j * 8 + in_group * 2 + (e & 1)]);
        }
      }
    }
  };
  each([](i32& mine, i32& memory) { mine = memory; });
  if constexpr (WHOLE) {
    mma_tile_s4s4(d, a, b);
  } else {
    for (u32 i = 0; i < I; ++i)
      for (u32 j = 0; j < J; ++j) mma_s4s4(d[i][j], a[i], b[j]);
  }
  each([](i32& mine, i32& memory) { memory = mine; });
}

template <bool WHOLE>
void check_int4(unsigned seed, bool extreme) {
  std::mt19937 random(seed);
  Int4Tile tile;
  const auto draw = [&] { return extreme ? i8{-8} : static_cast<i8>(static_cast<int>(random() % 16) - 8); };
  for (auto& row : tile.a)
    for (i8& x : row) x = draw();
  for (auto& row : tile.b)
    for (i8& x : row) x = draw();
  for (auto& row : tile.d)
    for (i32& x : row) x = static_cast<i32>(random());
  Int4Tile expected = tile;
  for (u32 m = 0; m < I * 16; ++m) {
    for (u32 n = 0; n < J * 8; ++n) {
      for (u32 k = 0; k < 64; ++k) {
        const u32 product = static_cast<u32>(tile.a[m][k] * tile.b[k][n]);
        expected.d[m][n] = static_cast<i32>(static_cast<u32>(expected.d[m][n]) + product);
      }
    }
  }
  Memory none;
  EXPECT_NO_FAULT(run_kernel([](const Int4Args& a) { int4_kernel<WHOLE>(a); }, Int4Args{&tile}, {}, none));
  EXPECT_EQ(std::memcmp(tile.d, expected.d, sizeof tile.d), 0);
}

TEST(Mma, S4S4) {
  for (unsigned seed = 1; seed <= 20; ++seed) check_int4<false>(seed, false);
  check_int4<false>(1, true);
}
TEST(Mma, TileS4S4) {
  for (unsigned seed = 1; seed <= 20; ++seed) check_int4<true>(seed, false);
  check_int4<true>(1, true);
}

struct FloatTile {
  float a[16][16];
  float b[16][8];
  float d[16][8];
};
struct FloatArgs {
  FloatTile* tile;
};

// PTX: a's element i of lane: row = groupID for i in 0, 1, 4, 5, else groupID + 8; column = threadID·2 + (i & 1), + 8
// for i ≥ 4. b's element i: row = threadID·2 + (i & 1), + 8 for i ≥ 2; column = groupID. c as above.
template <bool Bfloat>
void float_kernel(const FloatArgs& args) {
  const u32 group = thread_index() >> 2;
  const u32 in_group = thread_index() % 4;
  FloatTile& tile = *args.tile;
  const auto bits = [](float x) -> u32 { return Bfloat ? float_to_bfloat16(x) : float_to_half(x); };
  u32 a[4] = {};
  u32 b[2] = {};
  float d[4];
  for (u32 e = 0; e < 8; ++e) {
    const u32 row = e == 0 || e == 1 || e == 4 || e == 5 ? group : group + 8;
    a[e / 2] |= bits(tile.a[row][in_group * 2 + (e & 1) + (e >= 4 ? 8 : 0)]) << (e % 2 * 16);
  }
  for (u32 e = 0; e < 4; ++e)
    b[e / 2] |= bits(tile.b[in_group * 2 + (e & 1) + (e >= 2 ? 8 : 0)][group]) << (e % 2 * 16);
  const auto place = [&](u32 e) -> float& { return tile.d[group + (e >= 2 ? 8 : 0)][in_group * 2 + (e & 1)]; };
  for (u32 e = 0; e < 4; ++e) d[e] = place(e);
  if constexpr (Bfloat) {
    mma_bf16(d, a, b);
  } else {
    mma_f16(d, a, b);
  }
  for (u32 e = 0; e < 4; ++e) place(e) = d[e];
}

/// Operands with few bits, so that every sum is exact in float.
template <bool Bfloat>
void check_float(unsigned seed) {
  std::mt19937 random(seed);
  FloatTile tile;
  const auto draw = [&] { return static_cast<float>(static_cast<int>(random() % 255) - 127) / 16; };
  for (auto& row : tile.a)
    for (float& x : row) x = draw();
  for (auto& row : tile.b)
    for (float& x : row) x = draw();
  for (auto& row : tile.d)
    for (float& x : row) x = draw();
  FloatTile expected = tile;
  for (u32 m = 0; m < 16; ++m) {
    for (u32 n = 0; n < 8; ++n) {
      for (u32 k = 0; k < 16; ++k) expected.d[m][n] += tile.a[m][k] * tile.b[k][n];
    }
  }
  Memory none;
  EXPECT_NO_FAULT(run_kernel([](const FloatArgs& a) { float_kernel<Bfloat>(a); }, FloatArgs{&tile}, {}, none));
  EXPECT_EQ(std::memcmp(tile.d, expected.d, sizeof tile.d), 0);
}

TEST(Mma, F16) {
  for (unsigned seed = 1; seed <= 20; ++seed) check_float<false>(seed);
}
TEST(Mma, Bf16) {
  for (unsigned seed = 1; seed <= 20; ++seed) check_float<true>(seed);
}

}  // namespace
}  // namespace qoq::tests
