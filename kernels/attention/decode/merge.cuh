// Putting parts of a sequence together: the warps of a CTA, then the splits. Each part is a row's outputs relative to
// its own maximum (Σ p·v, undivided), that maximum in powers of two, and Σ p. Parts are always summed in the same
// order, whoever does it, so that results are the same from run to run.
#pragma once
#include "kernels/attention/decode/tile.cuh"

namespace qoq::attention {

/// What a lane holds of a row: channels lane · Dh/32 and following.
template <DecodeConfig C>
struct RowPart {
  static constexpr int channels = C.head_dim / 32;
  float out[channels];
  float highest = minus_infinity(), total = 0;

  QOQ_DEVICE RowPart() { QOQ_UNROLL for (int i = 0; i < channels; ++i) out[i] = 0; }
};

/// 2^(x − highest), where −∞ means that there was nothing.
QOQ_DEVICE float weight_of(float x, float highest) { return x == minus_infinity() ? 0.0f : prim::exp2(x - highest); }

/// Two, four or eight neighbouring floats.
template <int N>
QOQ_DEVICE void load_floats(const float* from, float (&to)[N]) {
  if constexpr (N == 2) {
    const u32x2 v = prim::load_global(reinterpret_cast<const u32x2*>(from));
    to[0] = prim::as_float(v.x), to[1] = prim::as_float(v.y);
  } else {
    QOQ_UNROLL for (int i = 0; i < N; i += 4) {
      const u32x4 v = prim::load_global(reinterpret_cast<const u32x4*>(from + i));
      to[i] = prim::as_float(v.x), to[i + 1] = prim::as_float(v.y);
      to[i + 2] = prim::as_float(v.z), to[i + 3] = prim::as_float(v.w);
    }
  }
}
template <int N>
QOQ_DEVICE void store_floats(float* to, const float (&from)[N]) {
  if constexpr (N == 2) {
    prim::store_global(reinterpret_cast<u32x2*>(to), u32x2{prim::as_bits(from[0]), prim::as_bits(from[1])});
  } else {
    QOQ_UNROLL for (int i = 0; i < N; i += 4) {
      prim::store_global(reinterpret_cast<u32x4*>(to + i),
                         u32x4{prim::as_bits(from[i]), prim::as_bits(from[i + 1]), prim::as_bits(from[i + 2]),
                               prim::as_bits(from[i + 3])});
    }
  }
}

/// The final outputs of a row: divided, rounded, stored; a row that saw no token is zero.
template <DecodeConfig C>
QOQ_DEVICE void store_row(const DecodeArgs& args, const Place& at, i32 row, const RowPart<C>& part) {
  const i64 place = query_place(args, at, row);
  const float inverse = part.total == 0 ? 0.0f : prim::divide(1.0f, part.total);
  u32 packed[RowPart<C>::channels / 2];
  QOQ_UNROLL for (int i = 0; i < RowPart<C>::channels / 2; ++i) {
    const float low = part.out[2 * i] * inverse, high = part.out[2 * i + 1] * inverse;
    packed[i] = C.element == Element::BF16 ? prim::pack_bfloat2(low, high) : prim::pack_half2(low, high);
  }
  u16* to = static_cast<u16*>(args.out) + place * C.head_dim + at.lane * RowPart<C>::channels;
  if constexpr (C.head_dim == 64) prim::store_global(reinterpret_cast<u32*>(to), packed[0]);
  if constexpr (C.head_dim == 128) prim::store_global(reinterpret_cast<u32x2*>(to), u32x2{packed[0], packed[1]});
  if constexpr (C.head_dim == 256)
    prim::store_global(reinterpret_cast<u32x4*>(to), u32x4{packed[0], packed[1], packed[2], packed[3]});
  if (args.lse != nullptr && at.lane == 0) {
    const float sum =
        part.total == 0 ? minus_infinity() : part.highest + prim::log2(part.total) - C.probability_exponent();
    prim::store_global(args.lse + place, sum * 0.693147180559945f);
  }
}

/// Where a split's part of a row lies.
template <DecodeConfig C>
QOQ_DEVICE i64 part_index(const DecodeArgs& args, const Place& at, i32 split, i32 row) {
  return (at.group * args.splits + split) * C.rows() + row;
}

template <DecodeConfig C>
QOQ_DEVICE void store_part(const DecodeArgs& args, const Place& at, i32 row, const RowPart<C>& part) {
  const i64 index = part_index<C>(args, at, at.split, row);
  store_floats(args.partials + index * C.head_dim + at.lane * RowPart<C>::channels, part.out);
  if (at.lane == 0) {
    prim::store_global(args.partial_sums + 2 * index, part.highest);
    prim::store_global(args.partial_sums + 2 * index + 1, part.total);
  }
}

/// Sums the splits' parts of each row: a warp a row.
template <DecodeConfig C>
QOQ_DEVICE void merge_splits(const DecodeArgs& args, const Place& at) {
  using L = RowPart<C>;
  QOQ_NO_UNROLL for (i32 row = at.warp; row < at.rows; row += C.warps) {
    L whole;
    float highest[most_splits / 32], total[most_splits / 32];  // of splits lane, lane + 32, …
    QOQ_UNROLL for (int i = 0; i < most_splits / 32; ++i) {
      highest[i] = minus_infinity();
      total[i] = 0;
      if (i * 32 + at.lane < at.splits) {
        const i64 index = part_index<C>(args, at, i * 32 + at.lane, row);
        highest[i] = prim::load_global(args.partial_sums + 2 * index);
        total[i] = prim::load_global(args.partial_sums + 2 * index + 1);
      }
      whole.highest = prim::maximum(whole.highest, highest[i]);
    }
    QOQ_UNROLL for (u32 mask = 1; mask < 32; mask *= 2) whole.highest =
        prim::maximum(whole.highest, prim::as_float(prim::shuffle_xor(prim::as_bits(whole.highest), mask)));
    QOQ_UNROLL for (int i = 0; i < most_splits / 32; ++i) highest[i] = weight_of(highest[i], whole.highest);
    QOQ_NO_UNROLL for (i32 split = 0; split < at.splits; ++split) {
      const u32 from = static_cast<u32>(split % 32);
      const float weight = prim::as_float(prim::shuffle(prim::as_bits(split < 32 ? highest[0] : highest[1]), from));
      whole.total += weight * prim::as_float(prim::shuffle(prim::as_bits(split < 32 ? total[0] : total[1]), from));
      float part[L::channels];
      load_floats(args.partials + part_index<C>(args, at, split, row) * C.head_dim + at.lane * L::channels, part);
      QOQ_UNROLL for (int i = 0; i < L::channels; ++i) whole.out[i] = prim::fma(weight, part[i], whole.out[i]);
    }
    store_row<C>(args, at, row, whole);
  }
}

/// The last CTA of a sequence's splits to arrive merges them. Leaves the arrival count zero for the next launch.
template <DecodeConfig C>
QOQ_DEVICE void merge_when_last(const DecodeArgs& args, const Place& at, u32 shared) {
  prim::sync_threads();  // this CTA's parts are written, and nobody reads shared memory any more
  if (at.thread == 0) {
    const bool last = prim::atomic_add_acq_rel(args.arrivals + at.group, 1) == at.splits - 1;
    if (last) prim::store_global(args.arrivals + at.group, 0);
    prim::store_shared_u32(shared, last);
  }
  prim::sync_threads();  // everyone knows, and sees what the others published
  if (prim::load_shared_u32(shared) != 0) merge_splits<C>(args, at);
}

/// A warp's outputs of one row tile into shared memory: [row][channel order][..], then maxima and sums.
template <DecodeConfig C>
QOQ_DEVICE void write_warp_part(const DecodeArgs& args, const Place& at, u32 shared, int r, Rows<C>& rows) {
  using L = Lane<C>;
  const auto at_row = [&](i32 warp, i32 row) {
    return shared + static_cast<u32>((warp * C.tile_rows() + row) * C.result_stride() * 4);
  };
  const u32 sums = shared + static_cast<u32>(C.warps * C.tile_rows() * C.result_stride() * 4);
  const float codes = C.quantized() ? 0x1p24f : 1.0f, high = high_values<C> ? 0x1p20f : codes;
  QOQ_UNROLL for (int quad = 0; quad < L::quads; ++quad) QOQ_UNROLL for (int i = 0; i < 4; ++i) {
    const int slot = L::quad_row_slot(i);
    const int odd = L::tokens_on_m ? i / 2 : quad % 2;           // channel d or d + 1
    const int pair = L::tokens_on_m ? quad : quad / 2;           // j
    const i32 group = L::tokens_on_m ? at.g : 2 * at.t + i % 2;  // d = (Dh/8)·group + 2j + odd
    const float zero = C.quantized() ? rows.zeros[r][slot] : 0.0f;
    const float value = prim::fma(rows.out[r][quad][i], odd != 0 ? high : codes, -zero);
    prim::store_shared_u32(at_row(at.warp, L::row(at, slot)) + static_cast<u32>(((2 * pair + odd) * 8 + group) * 4),
                           prim::as_bits(value));
  }
  const float scale = C.cap ? args.cap_scale : args.scale;
  QOQ_UNROLL for (int slot = 0; slot < 2; ++slot) {
    const float total = L::across_tokens(rows.total[r][slot], [](float a, float b) { return a + b; });
    if (L::tokens_on_m ? at.g == 0 : at.t == 0) {
      const u32 to = sums + static_cast<u32>((at.warp * C.tile_rows() + L::row(at, slot)) * 8);
      prim::store_shared_u32(to, prim::as_bits(rows.maximum[r][slot] * scale));
      prim::store_shared_u32(to + 4, prim::as_bits(total));
    }
  }
}

/// Sums the warps' parts of one row of a row tile.
template <DecodeConfig C>
QOQ_DEVICE RowPart<C> sum_warps(const Place& at, u32 shared, i32 row) {
  using P = RowPart<C>;
  const u32 sums = shared + static_cast<u32>(C.warps * C.tile_rows() * C.result_stride() * 4);
  P whole;
  float highest[C.warps], total[C.warps];
  QOQ_UNROLL for (int warp = 0; warp < C.warps; ++warp) {
    const u32 from = sums + static_cast<u32>((warp * C.tile_rows() + row) * 8);
    highest[warp] = prim::as_float(prim::load_shared_u32(from));
    total[warp] = prim::as_float(prim::load_shared_u32(from + 4));
    whole.highest = prim::maximum(whole.highest, highest[warp]);
  }
  QOQ_UNROLL for (int warp = 0; warp < C.warps; ++warp) {
    const float weight = weight_of(highest[warp], whole.highest);
    whole.total = prim::fma(weight, total[warp], whole.total);
    QOQ_UNROLL for (int i = 0; i < P::channels; ++i) {
      const i32 order = (at.lane % 4 * P::channels + i) * 8 + at.lane / 4;
      const u32 from = shared + static_cast<u32>(((warp * C.tile_rows() + row) * C.result_stride() + order) * 4);
      whole.out[i] = prim::fma(weight, prim::as_float(prim::load_shared_u32(from)), whole.out[i]);
    }
  }
  return whole;
}

/// Sums the warps and stores this CTA's rows: as outputs where the sequence has one split, as a part otherwise.
template <DecodeConfig C>
QOQ_DEVICE void merge_warps(const DecodeArgs& args, const Place& at, u32 shared, Rows<C>& rows) {
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
    prim::sync_threads();  // pipelines, or the row tile before, are done with shared memory
    write_warp_part<C>(args, at, shared, r, rows);
    prim::sync_threads();  // every warp's part is written
    QOQ_NO_UNROLL for (i32 row = at.warp; row < C.tile_rows(); row += C.warps) {
      const i32 in_block = r * C.tile_rows() + row;
      if (in_block >= at.rows) continue;
      const RowPart<C> part = sum_warps<C>(at, shared, row);
      if (C.split && at.splits > 1) {
        store_part<C>(args, at, in_block, part);
      } else {
        store_row<C>(args, at, in_block, part);
      }
    }
  }
}

}  // namespace qoq::attention
