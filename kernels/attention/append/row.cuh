// A token's new row: read, rotated, quantised; eight channels a lane.
#pragma once
#include "kernels/attention/append/page.cuh"

namespace qoq::attention {

/// Eight channels as they are stored: nibbles (one word), bytes (two) or 16-bit floats (four).
template <AppendConfig C>
struct Codes {
  static constexpr int words = C.form.bits() / 4;
  u32 word[words];
  u16 scale, zero;
};

/// Eight floats of a table.
QOQ_DEVICE void load_angles(const float* from, float (&to)[8]) {
  QOQ_UNROLL for (int i = 0; i < 2; ++i) {
    const u32x4 four = prim::load_readonly(reinterpret_cast<const u32x4*>(from) + i);
    to[4 * i] = prim::as_float(four.x), to[4 * i + 1] = prim::as_float(four.y);
    to[4 * i + 2] = prim::as_float(four.z), to[4 * i + 3] = prim::as_float(four.w);
  }
}

/// Keys i and i + Dh/2 turn by the position's angle i: (x·cos − y·sin, y·cos + x·sin), each operation rounded. The
/// partner's channels lie half a row of lanes away.
template <AppendConfig C>
QOQ_DEVICE void rotate(const AppendArgs& args, int position, int lane_in_row, bool appended, const u32 (&raw)[4],
                       float (&x)[8]) {
  constexpr int half_row = C.form.row_lanes() / 2;
  u32 partner[4];
  QOQ_UNROLL for (int i = 0; i < 4; ++i) partner[i] = prim::shuffle_xor(raw[i], half_row);
  if (!appended) return;
  const i64 at = static_cast<i64>(position) * (C.form.head_dim / 2) + 8 * (lane_in_row % half_row);
  float cosine[8], sine[8];
  load_angles(args.cosine + at, cosine);
  load_angles(args.sine + at, sine);
  QOQ_UNROLL for (int i = 0; i < 8; ++i) {
    const float y = element_to_float<C.element>(static_cast<u16>(partner[i / 2] >> (16 * (i % 2))));
    x[i] = x[i] * cosine[i] + y * (lane_in_row < half_row ? -sine[i] : sine[i]);
  }
}

/// quantize_kv() of kernels/qoq/kv_cache.h, operation by operation, over the lanes of a row.
template <AppendConfig C>
QOQ_DEVICE Codes<C> quantise(const float (&x)[8]) {
  constexpr int bits = C.form.bits(), most = (1 << bits) - 1;
  float low = x[0], high = x[0];
  QOQ_UNROLL for (int i = 1; i < 8; ++i) {
    low = prim::minimum(low, x[i]);
    high = prim::maximum(high, x[i]);
  }
  QOQ_UNROLL for (int mask = C.form.row_lanes() / 2; mask > 0; mask /= 2) {
    low = prim::minimum(low, prim::as_float(prim::shuffle_xor(prim::as_bits(low), mask)));
    high = prim::maximum(high, prim::as_float(prim::shuffle_xor(prim::as_bits(high), mask)));
  }
  if (!(low <= high)) low = high = 0;    // no number at all
  low = low + 0.0f, high = high + 0.0f;  // −0 becomes +0
  const float largest = prim::maximum(prim::maximum(low, -low), prim::maximum(high, -high));
  const float wanted = prim::maximum(prim::divide(high - low, most), prim::maximum(largest * 0x1p-15f, 0x1p-14f));
  Codes<C> codes{};
  codes.scale = static_cast<u16>(prim::pack_half2(wanted, 0));
  const float scale = prim::to_float(half{codes.scale});
  codes.zero = static_cast<u16>(prim::pack_half2(prim::divide(-low, scale), 0));
  const float zero = prim::to_float(half{codes.zero});
  QOQ_UNROLL for (int i = 0; i < 8; ++i) {
    const i32 code = prim::round_to_int(prim::divide(x[i], scale) + zero);
    codes.word[i * bits / 32] |= static_cast<u32>(code < 0 ? 0 : code > most ? most : code) << (i * bits % 32);
  }
  return codes;
}

/// One lane's eight channels of a token's row. All lanes take part; where the token is not `appended` the result means
/// nothing.
template <AppendConfig C>
QOQ_DEVICE Codes<C> encode_row(const AppendArgs& args, const u8* row, int position, int lane_in_row, bool rotated,
                               bool appended) {
  u32 raw[4] = {0, 0, 0, 0};
  if (appended) {
    const u32x4 loaded = prim::load_readonly(reinterpret_cast<const u32x4*>(row) + lane_in_row);
    raw[0] = loaded.x, raw[1] = loaded.y, raw[2] = loaded.z, raw[3] = loaded.w;
  }
  float x[8];
  QOQ_UNROLL for (int i = 0; i < 8; ++i) {
    x[i] = element_to_float<C.element>(static_cast<u16>(raw[i / 2] >> (16 * (i % 2))));
  }
  if (C.rope && rotated) rotate<C>(args, position, lane_in_row, appended, raw, x);
  if constexpr (C.form.bits() == 16) {
    Codes<C> codes{};
    QOQ_UNROLL for (int i = 0; i < 4; ++i) codes.word[i] = pack_elements<C.element>(x[2 * i], x[2 * i + 1]);
    return codes;
  } else {
    return quantise<C>(x);
  }
}

}  // namespace qoq::attention
