// A unit of the fragment layout to rows of 16-bit floats in shared memory.
#pragma once
#include "kernels/attention/gather/decode.cuh"

namespace qoq::attention {

/// A unit in memory, its tokens' parameters, and its rows in shared memory.
template <GatherConfig C>
struct GatherUnit {
  const u8* pool;
  PageSide<C.form> side;
  int slot;  ///< of its first token
  u32 tile;
  int lane;

  QOQ_DEVICE Parameters parameters(int token) const { return load_parameters<C.form>(pool, side, slot + token); }
  QOQ_DEVICE void load(int piece, u32 (&words)[4]) const {
    const u32x4 v = prim::load_readonly(reinterpret_cast<const u32x4*>(pool + side.codes(slot)) + 32 * piece + lane);
    words[0] = v.x, words[1] = v.y, words[2] = v.z, words[3] = v.w;
  }
  QOQ_DEVICE u32 at(int token, int channel) const {
    return tile + static_cast<u32>(token * C.tile_stride() + 2 * channel);
  }
  /// Four channels in key order (0, 2, 1, 3) of a token.
  QOQ_DEVICE void keep_keys(int token, int channel, u32 codes, const Parameters& p) const {
    prim::store_shared_u32(at(token, channel), decode_pair<C.element, 0, 2>(codes, p));
    prim::store_shared_u32(at(token, channel) + 4, decode_pair<C.element, 1, 3>(codes, p));
  }
};

/// Lane (g, t) holds channels 16j + 4t … + 3 of tokens g and g + 8.
template <GatherConfig C>
QOQ_DEVICE void spread_keys(const GatherUnit<C>& unit) {
  const int g = unit.lane / 4, channel = 4 * (unit.lane % 4);
  const Parameters low = unit.parameters(g), high = unit.parameters(g + 8);
  QOQ_UNROLL for (int piece = 0; piece < C.form.pieces(); ++piece) {
    u32 words[4];
    unit.load(piece, words);
    if constexpr (C.form.scheme == Scheme::Kv4) {
      QOQ_UNROLL for (int i = 0; i < 4; ++i) {
        const int at = 16 * (4 * piece + i) + channel;
        unit.keep_keys(g, at, words[i] & 0x0f0f0f0fu, low);
        unit.keep_keys(g + 8, at, words[i] >> 4 & 0x0f0f0f0fu, high);
      }
    } else if constexpr (C.form.scheme == Scheme::Kv8) {
      QOQ_UNROLL for (int i = 0; i < 2; ++i) {
        const int at = 16 * (2 * piece + i) + channel;
        unit.keep_keys(g, at, words[2 * i], low);
        unit.keep_keys(g + 8, at, words[2 * i + 1], high);
      }
    } else {
      QOQ_UNROLL for (int i = 0; i < 4; ++i) {
        prim::store_shared_u32(unit.at(i % 2 == 0 ? g : g + 8, 16 * piece + channel + i / 2 * 2), words[i]);
      }
    }
  }
}

/// Channels d and d + 1 of a value word pair `index`, of the K-th of the lane's tokens 2t, 2t + 8, 2t + 1, 2t + 9.
template <GatherConfig C, int K>
QOQ_DEVICE u32 value_pair(const u32 (&words)[C.form.bits()], int index, const Parameters (&p)[4]) {
  if constexpr (C.form.scheme == Scheme::Kv4) {  // one word: both channels in a byte
    const u32 byte = prim::prmt(words[index], 0, 0x4440u | K);
    return decode_pair<C.element, 0, 1>((byte & 15) | (byte & 0xf0) << 4, p[K]);
  } else if constexpr (C.form.scheme == Scheme::Kv8) {
    return decode_pair<C.element, 0, 1>(prim::prmt(words[2 * index], words[2 * index + 1], 0x40u + 0x11u * K), p[K]);
  } else {  // words (d; 2t, 2t+1), (d+1; likewise), then those of 2t+8, 2t+9
    const u32 first = words[4 * index + K % 2 * 2], second = words[4 * index + K % 2 * 2 + 1];
    return K < 2 ? low_halves(first, second) : high_halves(first, second);
  }
}

template <GatherConfig C, int K>
QOQ_DEVICE void keep_values(const GatherUnit<C>& unit, int token, int channel, const u32 (&words)[C.form.bits()],
                            const Parameters (&p)[4]) {
  u32 pair[4];
  QOQ_UNROLL for (int i = 0; i < 4; ++i) pair[i] = value_pair<C, K>(words, i, p);
  prim::store_shared_u32x4(unit.at(token, channel), u32x4{pair[0], pair[1], pair[2], pair[3]});
}

/// Lane (g, t) holds channels (Dh/8)·g … of tokens 2t, 2t + 8, 2t + 1, 2t + 9; eight channels at a time.
template <GatherConfig C>
QOQ_DEVICE void spread_values(const GatherUnit<C>& unit) {
  const int t = 2 * (unit.lane % 4), first = C.form.head_dim / 8 * (unit.lane / 4);
  const Parameters p[4] = {unit.parameters(t), unit.parameters(t + 8), unit.parameters(t + 1), unit.parameters(t + 9)};
  constexpr int bits = C.form.bits(), pieces = bits / 4;  // of eight channels
  QOQ_UNROLL for (int eight = 0; eight < C.form.pieces() / pieces; ++eight) {
    u32 words[bits];
    QOQ_UNROLL for (int i = 0; i < pieces; ++i) {
      u32 four[4];
      unit.load(eight * pieces + i, four);
      QOQ_UNROLL for (int w = 0; w < 4; ++w) words[4 * i + w] = four[w];
    }
    keep_values<C, 0>(unit, t, first + 8 * eight, words, p);
    keep_values<C, 1>(unit, t + 8, first + 8 * eight, words, p);
    keep_values<C, 2>(unit, t + 1, first + 8 * eight, words, p);
    keep_values<C, 3>(unit, t + 9, first + 8 * eight, words, p);
  }
}

}  // namespace qoq::attention
