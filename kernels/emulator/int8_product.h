// One row of 32 8-bit integers times a tile of eight columns: what mma and wgmma are made of.
#pragma once
#include <cstdint>

namespace qoq::emulator {

/// Operands spread out as 16-bit integers: a row of A is 16 pairs along k; a tile of B has its columns' pairs side by
/// side, as pmaddwd wants them: [pair along k][column][element of the pair].
using Int8Row = int16_t[32];
using Int8Tile = int16_t[16][8][2];

/// Four bytes as 16-bit integers.
inline void widen(uint32_t bytes, bool is_unsigned, int16_t (&to)[4]) {
  for (int e = 0; e < 4; ++e) {
    const auto byte = static_cast<uint8_t>(bytes >> (8 * e));
    to[e] = is_unsigned ? int16_t{byte} : int16_t{static_cast<int8_t>(byte)};
  }
}

/// sums[c] = a · column c, modulo 2^32. Both operands are 32-byte aligned.
extern void (*const multiply_int8)(const Int8Row& a, const Int8Tile& b, uint32_t (&sums)[8]);

}  // namespace qoq::emulator
