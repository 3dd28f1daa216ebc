// A unit of the fragment layout, from rows of codes in shared memory: every 16-byte vector has one owner, and keeps
// what belongs to tokens that are not appended.
#pragma once
#include "kernels/attention/append/page.cuh"

namespace qoq::attention {

/// A vector of a unit: `bits` where appended tokens have theirs, 0 elsewhere.
struct Piece {
  u32 word[4];
  u32 mask[4];
};

/// The rows of a unit in shared memory, and which of them are appended: slots [first, last).
template <AppendConfig C>
struct UnitRows {
  u32 tile;
  int first, last;

  QOQ_DEVICE bool has(int slot) const { return slot >= first && slot < last; }
  QOQ_DEVICE u32 mask(int slot) const { return has(slot) ? 0xffffffffu : 0u; }
  QOQ_DEVICE u32 at(int slot, int channel) const {
    return tile + static_cast<u32>(slot * C.tile_stride() + channel * (C.form.bits() == 16 ? 2 : 1));
  }
  /// Codes from `channel` on; zeros for a token that is not there (nothing was written to its row).
  QOQ_DEVICE u32 word(int slot, int channel) const { return has(slot) ? prim::load_shared_u32(at(slot, channel)) : 0; }
  QOQ_DEVICE u32x2 words(int slot, int channel) const {
    return has(slot) ? prim::load_shared_u32x2(at(slot, channel)) : u32x2{0, 0};
  }
};

/// Tokens g and g + 8, channels 16j + 4t … + 3: in 4 bits they share bytes, else words alternate.
template <AppendConfig C>
QOQ_DEVICE Piece key_piece(const UnitRows<C>& rows, int lane, int piece) {
  const int g = lane / 4, channel = 4 * (lane % 4);
  Piece p;
  QOQ_UNROLL for (int i = 0; i < 4; ++i) p.mask[i] = rows.mask(i % 2 == 0 ? g : g + 8);
  if constexpr (C.form.scheme == Scheme::Kv4) {
    QOQ_UNROLL for (int i = 0; i < 4; ++i) {
      const int at = 16 * (4 * piece + i) + channel;
      p.word[i] = swap_middle_bytes(rows.word(g, at) | rows.word(g + 8, at) << 4);
      p.mask[i] = (rows.mask(g) & 0x0f0f0f0fu) | (rows.mask(g + 8) & 0xf0f0f0f0u);
    }
  } else if constexpr (C.form.scheme == Scheme::Kv8) {
    QOQ_UNROLL for (int i = 0; i < 4; ++i) {
      p.word[i] = swap_middle_bytes(rows.word(i % 2 == 0 ? g : g + 8, 16 * (2 * piece + i / 2) + channel));
    }
  } else {
    const u32x2 low = rows.words(g, 16 * piece + channel), high = rows.words(g + 8, 16 * piece + channel);
    p.word[0] = low.x, p.word[1] = high.x, p.word[2] = low.y, p.word[3] = high.y;
  }
  return p;
}

/// Tokens 2t, 2t + 8, 2t + 1, 2t + 9 side by side, channels (Dh/8)·g + 2j and the next.
template <AppendConfig C>
QOQ_DEVICE Piece value_piece(const UnitRows<C>& rows, int lane, int piece) {
  constexpr int channels = 32 / C.form.bits();  // of a vector: 8, 4 or 2
  const int t = 2 * (lane % 4), channel = C.form.head_dim / 8 * (lane / 4) + channels * piece;
  const int slots[4] = {t, t + 8, t + 1, t + 9};
  Piece p;
  if constexpr (C.form.scheme == Scheme::Kv16) {
    u32 x[4];
    QOQ_UNROLL for (int i = 0; i < 4; ++i) x[i] = rows.word(slots[i], channel);
    p.word[0] = low_halves(x[0], x[2]), p.word[1] = high_halves(x[0], x[2]);
    p.word[2] = low_halves(x[1], x[3]), p.word[3] = high_halves(x[1], x[3]);
    QOQ_UNROLL for (int i = 0; i < 4; ++i) p.mask[i] = low_halves(rows.mask(slots[i / 2]), rows.mask(slots[i / 2 + 2]));
    return p;
  }
  QOQ_UNROLL for (int i = 0; i < 4; ++i) {
    p.mask[i] = bytes_of<0>(rows.mask(slots[0]), rows.mask(slots[1]), rows.mask(slots[2]), rows.mask(slots[3]));
  }
  if constexpr (C.form.scheme == Scheme::Kv8) {
    u32 x[4];
    QOQ_UNROLL for (int i = 0; i < 4; ++i) x[i] = rows.word(slots[i], channel);
    p.word[0] = bytes_of<0>(x[0], x[1], x[2], x[3]), p.word[1] = bytes_of<1>(x[0], x[1], x[2], x[3]);
    p.word[2] = bytes_of<2>(x[0], x[1], x[2], x[3]), p.word[3] = bytes_of<3>(x[0], x[1], x[2], x[3]);
  } else {
    u32 x[4], y[4];  // a pair of channels in bytes 0 and 2
    QOQ_UNROLL for (int i = 0; i < 4; ++i) {
      const u32x2 codes = rows.words(slots[i], channel);
      x[i] = codes.x | codes.x >> 4;
      y[i] = codes.y | codes.y >> 4;
    }
    p.word[0] = bytes_of<0>(x[0], x[1], x[2], x[3]), p.word[1] = bytes_of<2>(x[0], x[1], x[2], x[3]);
    p.word[2] = bytes_of<0>(y[0], y[1], y[2], y[3]), p.word[3] = bytes_of<2>(y[0], y[1], y[2], y[3]);
  }
  return p;
}

QOQ_DEVICE void merge_piece(u32x4* at, const Piece& p) {
  if ((p.mask[0] | p.mask[1] | p.mask[2] | p.mask[3]) == 0) return;
  u32x4 value{p.word[0], p.word[1], p.word[2], p.word[3]};
  if ((p.mask[0] & p.mask[1] & p.mask[2] & p.mask[3]) != 0xffffffffu) {
    const u32x4 old = prim::load_global(at);
    value.x |= old.x & ~p.mask[0], value.y |= old.y & ~p.mask[1];
    value.z |= old.z & ~p.mask[2], value.w |= old.w & ~p.mask[3];
  }
  prim::store_global(at, value);
}

/// Writes the unit that begins at `unit`, its rows being complete.
template <AppendConfig C>
QOQ_DEVICE void write_unit(u8* unit, const UnitRows<C>& rows, int lane, bool keys) {
  u32x4* const vectors = reinterpret_cast<u32x4*>(unit) + lane;
  QOQ_UNROLL for (int piece = 0; piece < C.form.pieces(); ++piece) {
    merge_piece(vectors + 32 * piece, keys ? key_piece<C>(rows, lane, piece) : value_piece<C>(rows, lane, piece));
  }
}

}  // namespace qoq::attention
