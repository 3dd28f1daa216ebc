// The compute phase of W4A4 (Atom): int32 sums of each group, rescaled and added up in fp32.
//
// A block of 32(n) × 64(k) is two halves of 512 bytes; word 2i + h of a lane's 16 bytes in half p is register h of the
// B fragment of columns 16p + 8i … + 7 (PTX: mma.m16n8k64): eight nibbles of column lane/4, rows 32h + 8·(lane % 4) +
// …. Where there are no int4 tensor cores both operands' nibbles move into the upper halves of bytes, even rows for one
// m16n8k32 and odd ones for another: products are 256 times too large, which the scale takes back exactly.
//
// The rescaling is the scheme's price on CUDA cores: for each output and group
//   sum = fma(x, s_token · s_column, sum),   x = the group's int32 sum as a float.
// The int32 sum starts at the bits of 1.5·2^23, so that it *is* a float, that much too large: one subtraction instead
// of a conversion (I2F runs on the XU pipe, at a quarter of the rate or less). |x| ≤ 128·64·256 = 2^21 keeps it exact.
#pragma once
#include "kernels/gemm/mma/compute.cuh"

namespace qoq::gemm {

/// The sums of the group under way. Without rescaling (the ablation) there is only one sum.
template <MmaConfig C>
requires(C.scheme == Scheme::W4A4Group && !C.ablated) struct Group<C> {
  static constexpr i32 zero = 0x4b400000;
  static constexpr float zero_as_float = 12582912.0f;
  i32 sum[C.warp_n / 32][C.warp_m / 16][4][4];
  QOQ_DEVICE Group() {
    QOQ_UNROLL for (auto& strip : sum) QOQ_UNROLL for (auto& row : strip) QOQ_UNROLL for (auto& quad : row)
        QOQ_UNROLL for (i32& value : quad) value = zero;
  }
};
template <MmaConfig C>
requires(C.scheme == Scheme::W4A4Group && C.ablated) struct Group<C> {
};

QOQ_DEVICE float low_half(u32 pair) { return prim::to_float(half{static_cast<u16>(pair)}); }
QOQ_DEVICE float high_half(u32 pair) { return prim::to_float(half{static_cast<u16>(pair >> 16)}); }

/// Sixteen times the even or the odd nibbles of a word, as four int8.
template <bool ODD>
QOQ_DEVICE u32 spread_nibbles(u32 word) {
  return (ODD ? word : word << 4) & 0xf0f0f0f0u;
}

/// sum += x · b by int8 tensor cores, every second nibble.
template <MmaConfig C, bool ODD>
QOQ_DEVICE void multiply_nibbles(i32 (&sum)[C.warp_m / 16][4][4], const u32 (&x)[C.warp_m / 16][4],
                                 const u32 (&b)[4][2]) {
  u32 wide_x[C.warp_m / 16][4], wide_b[4][2];
  QOQ_UNROLL for (int row = 0; row < C.warp_m / 16; ++row) QOQ_UNROLL for (int h = 0; h < 4; ++h) wide_x[row][h] =
      spread_nibbles<ODD>(x[row][h]);
  QOQ_UNROLL for (int j = 0; j < 4; ++j) QOQ_UNROLL for (int h = 0; h < 2; ++h) wide_b[j][h] =
      spread_nibbles<ODD>(b[j][h]);
  prim::mma_tile_s8s8(sum, wide_x, wide_b);
}

/// Adds the group's sums to the outputs', scaled, and starts the next group's. The ablation only reads the scales.
template <MmaConfig C>
QOQ_DEVICE void rescale(const Place& at, u32 metadata, Group<C>& group, Accumulators<C>& sum, u32& unused) {
  using A = Accumulators<C>;
  u32 token[A::rows];  // scales of rows lane/4 and lane/4 + 8 of each fragment
  QOQ_UNROLL for (int row = 0; row < A::rows; ++row) {
    const u32 tokens = metadata + C.column_bytes() * C.block_n + (at.warp_m0 + row * 16) * 2;
    token[row] = prim::load_shared_u32(tokens + at.lane / 4 * 4);
    if constexpr (C.ablated) unused ^= token[row];
  }
  QOQ_UNROLL for (int strip = 0; strip < A::strips; ++strip) {
    const u32x4 words = prim::load_shared_u32x4(metadata + (at.warp_n0 + strip * 32) * 2 + at.lane % 4 * 16);
    const u32 column[4] = {words.x, words.y, words.z, words.w};  // scales of columns 8j + 2·(lane % 4) and the next
    QOQ_UNROLL for (int j = 0; j < 4; ++j) {
      if constexpr (C.ablated) {
        unused ^= column[j];
      } else {
        const float scale[2] = {low_half(column[j]), high_half(column[j])};
        QOQ_UNROLL for (int row = 0; row < A::rows; ++row) QOQ_UNROLL for (int e = 0; e < 4; ++e) {
          const float unit = C.product_unit() * (e < 2 ? low_half(token[row]) : high_half(token[row]));
          i32& part = group.sum[strip][row][j][e];
          const float x = prim::as_float(static_cast<u32>(part)) - Group<C>::zero_as_float;
          sum.at[strip][row][j][e] = prim::fma(x, unit * scale[e % 2], sum.at[strip][row][j][e]);
          part = Group<C>::zero;
        }
      }
    }
  }
}

/// A slice ends a group where the group or its share of the tile does, so that no sum crosses either.
template <MmaConfig C>
requires(C.scheme == Scheme::W4A4Group) QOQ_DEVICE void multiply(const Place& at, u32 a, u32 w, u32 metadata, int tile,
                                                                 Group<C>& group, Accumulators<C>& sum, u32& unused) {
  constexpr int units = C.block_k / 64 / C.slices, units_per_group = group_size / 64;
  QOQ_UNROLL for (int i = 0; i < units; ++i) {
    const int unit = at.slice * units + i;
    u32 x[Accumulators<C>::rows][4];
    load_fragments<C>(at, a, unit, x);
    QOQ_UNROLL for (int strip = 0; strip < Accumulators<C>::strips; ++strip) {
      const u32 block = w + ((at.warp_n0 / 32 + strip) * (C.block_k / 64) + unit) * 1024;
      u32 b[4][2];
      QOQ_UNROLL for (int p = 0; p < 2; ++p) {
        const u32x4 words = prim::load_shared_u32x4(block + p * 512 + at.lane * 16);
        b[2 * p][0] = words.x, b[2 * p][1] = words.y, b[2 * p + 1][0] = words.z, b[2 * p + 1][1] = words.w;
      }
      const auto accumulate = [&](auto& into) {
        if constexpr (C.dequant == Dequant::Int8) {
          multiply_nibbles<C, false>(into, x, b);
          multiply_nibbles<C, true>(into, x, b);
        } else {
          prim::mma_tile_s4s4(into, x, b);
        }
      };
      if constexpr (C.ablated) {
        accumulate(sum.at[strip]);
      } else {
        accumulate(group.sum[strip]);
      }
    }
    const bool last = i % units_per_group == units_per_group - 1 || i == units - 1;
    if (tile == C.tiles_per_trip() - 1 && last) {
      rescale<C>(at, metadata + unit / units_per_group * C.group_bytes(), group, sum, unused);
    }
  }
}

}  // namespace qoq::gemm
