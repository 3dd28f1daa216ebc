// Tensor-core products (PTX ISA, fragment layouts of mma.m16n8k32, m16n8k64 and m16n8k16). With g = lane / 4,
// t = lane % 4:
//   a[h]: row g + 8·(h % 2), bytes 16·(h / 2) + 4·t … + 3 of the row (32 bytes: 32 int8, 64 int4 or 16 halves)
//   b[h]: column g, bytes 16·h + 4·t … + 3 of the column
//   d[e]: row g + 8·(e / 2), column 2·t + e % 2
#include <cstring>

#include "kernels/base/float16.h"
#include "kernels/emulator/api.h"
#include "kernels/emulator/int8_product.h"
#include "kernels/emulator/meeting.h"

namespace qoq::emulator {

namespace {

constexpr u32 most_tiles = 32;  // rows or columns of a warp tile, in MMAs

template <class T>
struct Fragments {
  T* d;
  const u32* a;
  const u32* b;
};
template <class T>
using Lanes = std::array<Fragments<T>*, warp_size>;

/// The operands spread out for multiply_int8.
struct Operands {
  alignas(32) Int8Row a[most_tiles][16];
  alignas(32) Int8Tile b[most_tiles];
};

/// `widen_a` and `widen_b` make four 16-bit integers of a word.
template <class WidenA, class WidenB>
void spread(const Lanes<i32>& lanes, u32 rows, u32 columns, Operands& to, WidenA widen_a, WidenB widen_b) {
  int16_t wide[4];
  for (u32 lane = 0; lane < warp_size; ++lane) {
    const u32 g = lane / 4;
    const u32 t = lane % 4;
    for (u32 i = 0; i < rows; ++i) {
      for (u32 h = 0; h < 4; ++h) {
        widen_a(lanes[lane]->a[i * 4 + h], wide);
        std::memcpy(&to.a[i][g + 8 * (h % 2)][16 * (h / 2) + 4 * t], wide, sizeof wide);
      }
    }
    for (u32 j = 0; j < columns; ++j) {
      for (u32 h = 0; h < 2; ++h) {
        widen_b(lanes[lane]->b[j * 2 + h], wide);
        std::memcpy(to.b[j][8 * h + 2 * t][g], wide, 4);
        std::memcpy(to.b[j][8 * h + 2 * t + 1][g], wide + 2, 4);
      }
    }
  }
}

template <bool Unsigned>
constexpr auto widen_bytes = [](u32 bytes, int16_t (&to)[4]) { widen(bytes, Unsigned, to); };
/// The low or the high nibbles of four bytes.
template <bool High>
constexpr auto widen_nibbles = [](u32 bytes, int16_t (&to)[4]) {
  widen((High ? bytes : bytes << 4) & 0xf0f0f0f0u, false, to);
  for (int16_t& value : to) value = static_cast<int16_t>(value / 16);
};

void multiply_tiles(const Lanes<i32>& lanes, u32 rows, u32 columns, const Operands& operands) {
  u32 sums[8];
  for (u32 i = 0; i < rows; ++i) {
    for (u32 row = 0; row < 16; ++row) {
      for (u32 j = 0; j < columns; ++j) {
        multiply_int8(operands.a[i][row], operands.b[j], sums);
        for (u32 t = 0; t < 4; ++t) {
          i32* d = lanes[row % 8 * 4 + t]->d + (i * columns + j) * 4 + row / 8 * 2;
          d[0] = static_cast<i32>(static_cast<u32>(d[0]) + sums[2 * t]);
          d[1] = static_cast<i32>(static_cast<u32>(d[1]) + sums[2 * t + 1]);
        }
      }
    }
  }
}

/// Products are exact; they and d are summed in double and rounded once (a GPU's sum is less exact).
template <class ToFloat>
void multiply_floats(const Lanes<float>& lanes, ToFloat&& to_float) {
  double a[16][16];
  double b[16][8];
  for (u32 lane = 0; lane < warp_size; ++lane) {
    const u32 g = lane / 4;
    const u32 k = lane % 4 * 2;
    for (u32 e = 0; e < 2; ++e) {
      for (u32 h = 0; h < 4; ++h) {
        a[g + 8 * (h % 2)][8 * (h / 2) + k + e] = to_float(static_cast<u16>(lanes[lane]->a[h] >> (16 * e)));
      }
      for (u32 h = 0; h < 2; ++h) b[8 * h + k + e][g] = to_float(static_cast<u16>(lanes[lane]->b[h] >> (16 * e)));
    }
  }
  for (u32 row = 0; row < 16; ++row) {
    double sums[8] = {};
    for (u32 k = 0; k < 16; ++k) {
      for (u32 c = 0; c < 8; ++c) sums[c] += a[row][k] * b[k][c];
    }
    for (u32 c = 0; c < 8; ++c) {
      float& d = lanes[row % 8 * 4 + c / 2]->d[row / 8 * 2 + c % 2];
      d = static_cast<float>(d + sums[c]);
    }
  }
}

template <class ToFloat>
void mma_floats(float* d, const u32* a, const u32* b, u32 key, ToFloat&& to_float) {
  Fragments<float> mine{d, a, b};
  meet(Operation::Mma, key, mine, [&](auto& lanes) {
    multiply_floats(lanes, to_float);
    ++current->cta->launch.result.counters.mmas;
  });
}

constexpr u32 half_key = 1;  // integer tiles have keys from 1 << 8 on
constexpr u32 bfloat_key = 2;
constexpr u32 int4_key = 1 << 7;  // beside the signs of 8-bit tiles

void check_tile(u32 rows, u32 columns) {
  if (rows > most_tiles || columns > most_tiles)
    fault_operand(Operation::Mma, "a warp tile has at most 32 MMAs a side");
}

}  // namespace

void mma_int8(i32* d, const u32* a, const u32* b, u32 rows, u32 columns, Signs signs) {
  check_tile(rows, columns);
  Fragments<i32> mine{d, a, b};
  meet(Operation::Mma, rows << 16 | columns << 8 | static_cast<u32>(signs), mine, [&](auto& lanes) {
    thread_local Operands operands;  // 48 KB: too much for a fiber's stack
    switch (signs) {
      case Signs::s8s8:
        spread(lanes, rows, columns, operands, widen_bytes<false>, widen_bytes<false>);
        break;
      case Signs::s8u8:
        spread(lanes, rows, columns, operands, widen_bytes<false>, widen_bytes<true>);
        break;
      case Signs::u8s8:
        spread(lanes, rows, columns, operands, widen_bytes<true>, widen_bytes<false>);
        break;
    }
    multiply_tiles(lanes, rows, columns, operands);
    current->cta->launch.result.counters.mmas += rows * columns;
  });
}

void mma_int4(i32* d, const u32* a, const u32* b, u32 rows, u32 columns) {
  check_tile(rows, columns);
  Fragments<i32> mine{d, a, b};
  meet(Operation::Mma, rows << 16 | columns << 8 | int4_key, mine, [&](auto& lanes) {
    thread_local Operands operands;
    // A sum over k in two halves: the even elements, which are low nibbles, then the odd ones.
    spread(lanes, rows, columns, operands, widen_nibbles<false>, widen_nibbles<false>);
    multiply_tiles(lanes, rows, columns, operands);
    spread(lanes, rows, columns, operands, widen_nibbles<true>, widen_nibbles<true>);
    multiply_tiles(lanes, rows, columns, operands);
    current->cta->launch.result.counters.mmas += rows * columns;
  });
}

void mma_half(float* d, const u32* a, const u32* b) { mma_floats(d, a, b, half_key, qoq::half_to_float); }

void mma_bfloat(float* d, const u32* a, const u32* b) { mma_floats(d, a, b, bfloat_key, qoq::bfloat16_to_float); }

}  // namespace qoq::emulator
