// Where a 16-byte chunk of a tile's row lies in shared memory, so that eight rows at one column touch all 32 banks.
#pragma once
#include "kernels/prim/prim.cuh"

namespace qoq::tile {

/// Byte offset of chunk `chunk` of row `row` in a tile whose rows are ROW_BYTES long (32, 64, 128 or a multiple of
/// 128). ldmatrix reads eight consecutive rows at one chunk; a row of 64 bytes shares its banks with every second row,
/// so the chunk is exchanged by the row's number among those that collide.
template <int ROW_BYTES>
QOQ_DEVICE u32 swizzled(u32 row, u32 chunk) {
  constexpr u32 chunks = ROW_BYTES / 16;
  constexpr u32 rows_per_128 = chunks >= 8 ? 1 : 8 / chunks;
  constexpr u32 mask = chunks >= 8 ? 7 : chunks - 1;
  return row * ROW_BYTES + ((chunk ^ ((row / rows_per_128) & mask)) * 16);
}

}  // namespace qoq::tile
