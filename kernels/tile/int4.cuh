// From packed 4-bit weights to the int8 registers that an m16n8k32 MMA reads.
#pragma once
#include "kernels/prim/prim.cuh"

namespace qoq::tile {

/// A word of eight nibbles is two words of four bytes: the low nibbles and the high ones. 2 LOP3 + 1 SHF.
QOQ_DEVICE u32 low_nibbles(u32 word) { return word & 0x0f0f0f0fu; }
QOQ_DEVICE u32 high_nibbles(u32 word) { return (word >> 4) & 0x0f0f0f0fu; }

/// Byte I of `bytes`, zero-extended, and in all four places. One PRMT each.
template <int I>
QOQ_DEVICE u32 byte_of(u32 bytes) {
  return prim::prmt(bytes, 0, 0x4440u | I);
}
template <int I>
QOQ_DEVICE u32 byte_spread(u32 bytes) {
  return prim::prmt(bytes, 0, 0x1111u * I);
}

}  // namespace qoq::tile
