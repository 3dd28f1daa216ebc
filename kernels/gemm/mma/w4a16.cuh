// The compute phase of W4A16: 4-bit weights become fp16 in registers.
//
// A lane's 16 bytes of a block of 32(n) × 32(k) are a word for each half h of each of two steps of 16 rows. Nibble
// 4e + j of word 2·step + h is the weight of column 8j + lane/4 and row 16·step + 8h + 2·(lane % 4) + e: what register
// h of the B fragment of columns 8j … 8j + 7 holds (PTX: mma.m16n8k16). So a mask leaves a fragment's pair of codes in
// the mantissas of two halves, and the exponent of 1024 (64 for the nibble at bits 4 … 7) makes of them exactly
// 1024 + q (64 + q): no conversion from integers. The zero of column 8j + r is stored with the same 1024 or 64 on it:
//   w = ((1024 + q) − (1024 + z)) · s,   the difference exact, the product rounded to fp16.
#pragma once
#include "kernels/gemm/mma/compute.cuh"

namespace qoq::gemm {

/// Reads a group's scales and zeros: of a strip 16 bytes, the scales of the lane's columns, then their zeros.
template <MmaConfig C>
QOQ_DEVICE void fetch_halves(const Place& at, u32 metadata, Group<C>& group, u32& unused) {
  QOQ_UNROLL for (int strip = 0; strip < Group<C>::strips; ++strip) {
    const u32x4 words = prim::load_shared_u32x4(metadata + (at.warp_n0 + strip * 32) * 4 + at.lane / 4 * 16);
    if constexpr (C.ablated) {
      unused = prim::lop3<0x96>(unused, words.x, words.y);
      unused = prim::lop3<0x96>(unused, words.z, words.w);
    } else {
      QOQ_UNROLL for (int j = 0; j < 4; ++j) {
        const u32 both = j % 2 == 0 ? 0x1010u : 0x3232u;
        group.scale[strip][j] = prim::prmt(j < 2 ? words.x : words.y, 0, both);
        group.zero[strip][j] = prim::prmt(j < 2 ? words.z : words.w, 0, both);
      }
    }
  }
}

/// A word's four pairs of weights, one for each of the lane's columns. The ablation hands on the word as it is.
template <MmaConfig C>
QOQ_DEVICE void half_weights(u32 word, const Group<C>& group, int strip, u32 (&pairs)[4]) {
  constexpr u32 and_or = 0xea, low = 0x000f000f, high = 0x00f000f0, low_base = 0x64006400, high_base = 0x54005400;
  const u32 words[2] = {word, word >> 8};
  QOQ_UNROLL for (int j = 0; j < 4; ++j) {
    if constexpr (C.ablated) {
      pairs[j] = word;
    } else {
      const u32 code = prim::lop3<and_or>(words[j / 2], j % 2 == 0 ? low : high, j % 2 == 0 ? low_base : high_base);
      pairs[j] = prim::mul_half2(prim::sub_half2(code, group.zero[strip][j]), group.scale[strip][j]);
    }
  }
}

template <MmaConfig C>
requires(C.scheme == Scheme::W4A16Group) QOQ_DEVICE void multiply(const Place& at, u32 a, u32 w, u32 metadata, int tile,
                                                                  Group<C>& group, Accumulators<C>& sum, u32& unused) {
  constexpr int units = C.block_k / 32 / C.slices, units_per_group = group_size / 32;
  QOQ_UNROLL for (int i = 0; i < units; ++i) {
    const int unit = at.slice * units + i;
    if (tile == 0 && i % units_per_group == 0) {
      fetch_halves<C>(at, metadata + unit / units_per_group * C.group_bytes(), group, unused);
    }
    u32 x[2][Accumulators<C>::rows][4];
    QOQ_UNROLL for (int step = 0; step < 2; ++step) load_fragments<C>(at, a, unit * 2 + step, x[step]);
    QOQ_UNROLL for (int strip = 0; strip < Accumulators<C>::strips; ++strip) {
      const u32 block = w + ((at.warp_n0 / 32 + strip) * (C.block_k / 32) + unit) * 512;
      const u32x4 words = prim::load_shared_u32x4(block + at.lane * 16);
      const u32 word[4] = {words.x, words.y, words.z, words.w};
      QOQ_UNROLL for (int step = 0; step < 2; ++step) {
        u32 first[4], second[4];
        half_weights<C>(word[2 * step], group, strip, first);
        half_weights<C>(word[2 * step + 1], group, strip, second);
        QOQ_UNROLL for (int j = 0; j < 4; ++j) {
          const u32 b[2] = {first[j], second[j]};
          QOQ_UNROLL for (int row = 0; row < Accumulators<C>::rows; ++row) {
            prim::mma_f16(sum.at[strip][row][j], x[step][row], b);
          }
        }
      }
    }
  }
}

}  // namespace qoq::gemm
