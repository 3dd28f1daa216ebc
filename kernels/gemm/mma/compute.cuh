// The compute phase: one k-tile from shared memory through dequantisation into the int8 tensor cores. What the other
// schemes share of it is here, what they do otherwise in w4a16.cuh and w4a4.cuh.
#pragma once
#include "kernels/gemm/mma/place.cuh"
#include "kernels/tile/int4.cuh"
#include "kernels/tile/swizzle.cuh"

namespace qoq::gemm {

template <bool FLOAT>
struct SumType {
  using Type = i32;
};
template <>
struct SumType<true> {
  using Type = float;
};
template <MmaConfig C>
using Sum = typename SumType<C.float_sums()>::Type;

/// A warp's accumulators: strips of 32 columns × fragments of 16 rows × 4 fragments of 8 columns × 4 (PTX: the D of
/// every mma.m16n8).
template <MmaConfig C>
struct Accumulators {
  static constexpr int strips = C.warp_n / 32, rows = C.warp_m / 16;
  Sum<C> at[strips][rows][4][4] = {};
};

/// What a lane keeps of the group under way: one scale and one constant for each of its four columns a strip.
template <MmaConfig C>
struct Group {
  static constexpr int strips = C.warp_n / 32;
  u32 scale[strips][4], zero[strips][4];
};

/// The A fragments of one step: 32 bytes of each row of the warp's tile.
template <MmaConfig C>
QOQ_DEVICE void load_fragments(const Place& at, u32 a, int step, u32 (&x)[Accumulators<C>::rows][4]) {
  QOQ_UNROLL for (int row = 0; row < Accumulators<C>::rows; ++row) {
    prim::ldmatrix_x4(x[row],
                      a + tile::swizzled<C.row_bytes()>(at.warp_m0 + row * 16 + at.lane % 16, step * 2 + at.lane / 16));
  }
}

/// Reads a group's scales and zeros into registers. `unused` keeps the ablation's loads alive.
template <MmaConfig C>
QOQ_DEVICE void fetch_group(const Place& at, u32 metadata, Group<C>& group, u32& unused) {
  QOQ_UNROLL for (int strip = 0; strip < Group<C>::strips; ++strip) {
    const u32 first = at.warp_n0 + strip * 32, row = at.lane / 4;
    u32 scales, zeros;
    if constexpr (C.layout == Layout::Fragment) {
      const u32x2 both = prim::load_shared_u32x2(metadata + first * 2 + row * 8);
      scales = both.x;
      zeros = both.y;
    } else {
      scales = prim::load_shared_u32(metadata + first + row * 4);
      zeros = prim::load_shared_u32(metadata + C.block_n + first + row * 4);
      if constexpr (C.dequant != Dequant::Vadd4 && !C.ablated) zeros ^= 0x80808080u;  // 128 − z·s of each column
    }
    if constexpr (C.ablated) {
      unused = prim::lop3<0x96>(unused, scales, zeros);
    } else {
      QOQ_UNROLL for (int j = 0; j < 4; ++j) {
        group.scale[strip][j] = prim::prmt(scales, 0, 0x4440u | j);
        group.zero[strip][j] = prim::prmt(zeros, 0, 0x1111u * j);
      }
    }
  }
}

/// Four weights of the lane's column j: q4 bytes in, the MMA's bytes out.
template <MmaConfig C>
QOQ_DEVICE u32 dequantize(u32 q, const Group<C>& group, int strip, int j) {
  if constexpr (C.dequant == Dequant::None)
    return q;
  else if constexpr (C.dequant == Dequant::Vadd4)
    return prim::add_bytes(q * group.scale[strip][j], group.zero[strip][j]);
  else if constexpr (C.dequant == Dequant::U8S8)
    return prim::imad(q, group.scale[strip][j], group.zero[strip][j]);
  else
    return prim::imad(q, group.scale[strip][j], group.zero[strip][j]) ^ 0x80808080u;
}

/// B fragments of one strip (4 × n8) for one k32 step. Word 2h + e of a lane's 16 bytes holds k-half h of columns
/// 8e (low nibbles) and 16 + 8e (high nibbles). The ablation takes the words in the pairs they were loaded in: anything
/// else would cost moves that the kernel does not have.
template <MmaConfig C>
QOQ_DEVICE void packed_fragments(u32 block, const Place& at, const Group<C>& group, int strip, u32 (&b)[4][2]) {
  const u32x4 words = prim::load_shared_u32x4(block + at.lane * 16);
  const u32 word[4] = {words.x, words.y, words.z, words.w};
  QOQ_UNROLL for (int half = 0; half < 2; ++half) QOQ_UNROLL for (int e = 0; e < 2; ++e) {
    if constexpr (C.ablated) {
      b[e][half] = word[2 * e + half];
      b[2 + e][half] = word[2 * (1 - e) + half];
    } else {
      b[e][half] = dequantize<C>(tile::low_nibbles(word[2 * half + e]), group, strip, e);
      b[2 + e][half] = dequantize<C>(tile::high_nibbles(word[2 * half + e]), group, strip, 2 + e);
    }
  }
}

/// The same from int8 rows: each ldmatrix.x4 gives two n8 fragments.
template <MmaConfig C>
QOQ_DEVICE void int8_fragments(u32 w, const Place& at, int strip, int step, u32 (&b)[4][2]) {
  QOQ_UNROLL for (int pair = 0; pair < 2; ++pair) {
    const u32 row = at.warp_n0 + strip * 32 + pair * 16 + (at.lane / 16) * 8 + at.lane % 8;
    u32 r[4];
    prim::ldmatrix_x4(r, w + tile::swizzled<C.block_k>(row, step * 2 + (at.lane / 8) % 2));
    QOQ_UNROLL for (int i = 0; i < 4; ++i) b[pair * 2 + i / 2][i % 2] = r[i];
  }
}

/// Multiplies one k-tile, the `tile`th of its trip: groups longer than a tile begin with the first.
template <MmaConfig C>
QOQ_DEVICE void multiply(const Place& at, u32 a, u32 w, u32 metadata, int tile, Group<C>& group, Accumulators<C>& sum,
                         u32& unused) {
  constexpr int steps = C.block_k / 32 / C.slices;
  QOQ_UNROLL for (int i = 0; i < steps; ++i) {
    const int step = at.slice * steps + i;
    if constexpr (C.grouped()) {
      constexpr int steps_per_group = group_size / 32;
      if (tile == 0 && (i == 0 || i % steps_per_group == 0)) {
        fetch_group<C>(at, metadata + step / steps_per_group * C.group_bytes(), group, unused);
      }
    }
    u32 x[Accumulators<C>::rows][4];
    load_fragments<C>(at, a, step, x);
    QOQ_UNROLL for (int strip = 0; strip < Accumulators<C>::strips; ++strip) {
      u32 b[4][2];
      if constexpr (C.packed4()) {
        const u32 block = w + (((at.warp_n0 / 32 + strip) * (C.block_k / 32)) + step) * 512;
        packed_fragments<C>(block, at, group, strip, b);
      } else {
        int8_fragments<C>(w, at, strip, step, b);
      }
      if constexpr (C.dequant == Dequant::U8S8) {
        prim::mma_tile_s8u8(sum.at[strip], x, b);
      } else {
        prim::mma_tile_s8s8(sum.at[strip], x, b);
      }
    }
  }
}

}  // namespace qoq::gemm
