// From stored codes in shared memory to the tensor cores' 16 × 16 fragments.
//
// A code of 4 or 8 bits becomes an fp16 by masking alone: in the low bits of a half with a zero exponent it is the
// subnormal code · 2^-24 (a nibble at bits 4 … 7: code · 2^-20), which the tensor cores multiply exactly. So a word of
// eight nibbles costs one shift and four ands, there is no offset to take away again, and the powers of two are undone
// where scales are applied anyway.
//
// A fragment a[4], whichever operand it is: keys: (token g; channel slots 0, 1), (token g+8; 0, 1), (g; 2, 3),
// (g+8; 2, 3); values: (channel d; tokens 2t, 2t+1), (d+1; 2t, 2t+1), (d; 2t+8, 2t+9), (d+1; 2t+8, 2t+9) with
// d = (Dh/8)·g + 2j. As the A operand they are four registers of 16 rows; as B {a0, a2} and {a1, a3} are two fragments
// of eight columns.
#pragma once
#include "kernels/attention/decode/load.cuh"

namespace qoq::attention {

/// Tokens g+8 of a unit (keys) and channels d+1 (values) are 16 times too large against their neighbours: they lie in
/// the high nibbles. Not in token rows, where keys' neighbouring nibbles are one token's channels and are shifted down.
template <DecodeConfig C>
constexpr bool high_keys = C.scheme == Scheme::Kv4&& C.layout == Layout::Fragment;
template <DecodeConfig C>
constexpr bool high_values = C.scheme == Scheme::Kv4;

/// The channel that k-step j's slot (0 … 3) of lane t stands for. Sums over channels don't care about their order, so
/// each layout takes the one that its loads bring; queries follow.
template <DecodeConfig C>
QOQ_DEVICE i32 channel(i32 j, i32 t, i32 slot) {
  if constexpr (C.layout == Layout::Fragment) return 16 * j + 4 * t + slot;
  constexpr i32 per_word = 32 / C.bits();
  constexpr i32 row_words = C.row_bytes() / 16;               // of one lane
  constexpr i32 piece_words = row_words < 4 ? row_words : 4;  // that lie side by side
  const i32 word = C.scheme == Scheme::Kv4 ? j / 2 : C.scheme == Scheme::Kv8 ? j : 2 * j;
  const i32 first = (word / piece_words * 4 + t) * piece_words * per_word + word % piece_words * per_word;
  if constexpr (C.scheme == Scheme::Kv4) return first + j % 2 * 2 + slot % 2 * 4 + slot / 2;
  if constexpr (C.scheme == Scheme::Kv8) return first + slot % 2 * 2 + slot / 2;
  return first + slot;
}

/// Low nibbles of bytes 0 and 2, high nibbles of the same, then of bytes 1 and 3.
QOQ_DEVICE void unpack_nibbles(u32 word, u32 (&a)[4]) {
  const u32 odd = word >> 8;
  a[0] = word & 0x000f000fu;
  a[1] = word & 0x00f000f0u;
  a[2] = odd & 0x000f000fu;
  a[3] = odd & 0x00f000f0u;
}
QOQ_DEVICE u32 even_bytes(u32 word) { return word & 0x00ff00ffu; }
QOQ_DEVICE u32 odd_bytes(u32 word) { return (word >> 8) & 0x00ff00ffu; }

/// The halves `low` (bits 0 … 15) or `high` of two words as a pair.
QOQ_DEVICE u32 low_halves(u32 first, u32 second) { return prim::prmt(first, second, 0x5410); }
QOQ_DEVICE u32 high_halves(u32 first, u32 second) { return prim::prmt(first, second, 0x7632); }

/// WORDS consecutive words.
template <int WORDS>
QOQ_DEVICE void load_words(u32 at, u32 (&w)[WORDS]) {
  if constexpr (WORDS == 1) w[0] = prim::load_shared_u32(at);
  if constexpr (WORDS == 2) {
    const u32x2 v = prim::load_shared_u32x2(at);
    w[0] = v.x, w[1] = v.y;
  }
  if constexpr (WORDS >= 4) {
    QOQ_UNROLL for (int i = 0; i < WORDS; i += 4) {
      const u32x4 v = prim::load_shared_u32x4(at + i * 4);
      w[i] = v.x, w[i + 1] = v.y, w[i + 2] = v.z, w[i + 3] = v.w;
    }
  }
}

/// Calls body(i, a) for each fragment of one piece (512 bytes) of a unit in the fragment layout: keys' k-steps or
/// values' m-tiles alike.
template <DecodeConfig C, class Body>
QOQ_DEVICE void for_each_packed(u32 piece, i32 lane, Body body) {
  constexpr int words = C.bits() / 4;  // of a lane, a fragment
  u32 w[4];
  load_words<4>(piece + lane * 16, w);
  QOQ_UNROLL for (int i = 0; i < 4; i += words) {
    u32 a[4];
    if constexpr (C.ablated) {
      const u32 second = w[words == 2 ? i + 1 : i];
      a[0] = w[i], a[1] = second, a[2] = w[i], a[3] = second;
    } else if constexpr (C.scheme == Scheme::Kv4) {
      unpack_nibbles(w[i], a);
    } else if constexpr (C.scheme == Scheme::Kv8) {
      a[0] = even_bytes(w[i]), a[1] = even_bytes(w[i + 1]), a[2] = odd_bytes(w[i]), a[3] = odd_bytes(w[i + 1]);
    } else {
      a[0] = w[0], a[1] = w[1], a[2] = w[2], a[3] = w[3];
    }
    body(i / words, a);
  }
}

/// Keys in token rows: a lane reads the same pieces of tokens g and g+8.
template <DecodeConfig C, class Body>
QOQ_DEVICE void for_each_key_row(u32 unit, i32 g, i32 t, Body body) {
  constexpr int row_words = C.row_bytes() / 16, piece_words = row_words < 4 ? row_words : 4;
  constexpr u32 odd_row = C.row_bytes() >= 128 ? 64 : 0;  // chunk_place()
  const u32 row = unit + static_cast<u32>(g * C.row_bytes());
  QOQ_UNROLL for (int piece = 0; piece < row_words / piece_words; ++piece) {
    const u32 at = static_cast<u32>((piece * 4 + t) * piece_words * 4) ^ (g % 2 != 0 ? odd_row : 0u);
    u32 w[piece_words], v[piece_words];
    load_words<piece_words>(row + at, w);
    load_words<piece_words>(row + 8 * C.row_bytes() + at, v);
    QOQ_UNROLL for (int i = 0; i < piece_words; ++i) {
      const int word = piece * piece_words + i;
      u32 a[4];
      if constexpr (C.scheme == Scheme::Kv4) {
        QOQ_UNROLL for (int half = 0; half < 2; ++half) {
          const u32 x = w[i] >> (8 * half), y = v[i] >> (8 * half);
          a[0] = x & 0x000f000fu, a[1] = y & 0x000f000fu, a[2] = (x >> 4) & 0x000f000fu, a[3] = (y >> 4) & 0x000f000fu;
          body(2 * word + half, a);
        }
      } else if constexpr (C.scheme == Scheme::Kv8) {
        a[0] = even_bytes(w[i]), a[1] = even_bytes(v[i]), a[2] = odd_bytes(w[i]), a[3] = odd_bytes(v[i]);
        body(word, a);
      } else if (i % 2 == 0) {
        a[0] = w[i], a[1] = v[i], a[2] = w[i + 1], a[3] = v[i + 1];
        body(word / 2, a);
      }
    }
  }
}

/// Words of values that a lane reads at once from a token's row, which it reads in `value_pieces` of them.
template <DecodeConfig C>
constexpr int value_piece_words = C.row_bytes() / 32 < 4 ? C.row_bytes() / 32 : 4;
template <DecodeConfig C>
constexpr int value_pieces = C.layout == Layout::Fragment ? C.unit_bytes() / 512
                                                          : C.row_bytes() / 32 / value_piece_words<C>;

/// Values in token rows: a lane reads some of its Dh/8 channels of its four tokens and pairs tokens up.
template <DecodeConfig C, class Body>
QOQ_DEVICE void for_each_value_row(u32 unit, int piece, i32 g, i32 t, Body body) {
  constexpr int words = C.row_bytes() / 32, piece_words = value_piece_words<C>;
  constexpr u32 odd_row = C.row_bytes() >= 128 ? 64 : 0;
  const u32 at = static_cast<u32>((g * words + piece * piece_words) * 4);
  u32 w[4][piece_words];
  QOQ_UNROLL for (int r = 0; r < 4; ++r) {
    const u32 row = static_cast<u32>(2 * t + r / 2 * 8 + r % 2) * C.row_bytes();
    load_words<piece_words>(unit + row + (at ^ (r % 2 != 0 ? odd_row : 0u)), w[r]);
  }
  QOQ_UNROLL for (int i = 0; i < piece_words; ++i) {
    const u32 x[2] = {low_halves(w[0][i], w[1][i]), high_halves(w[0][i], w[1][i])};
    const u32 y[2] = {low_halves(w[2][i], w[3][i]), high_halves(w[2][i], w[3][i])};
    u32 a[4];
    if constexpr (C.scheme == Scheme::Kv16) {
      a[0] = x[0], a[1] = x[1], a[2] = y[0], a[3] = y[1];
      body(i, a);
    } else {
      QOQ_UNROLL for (int half = 0; half < 2; ++half) {
        if constexpr (C.scheme == Scheme::Kv8) {
          a[0] = even_bytes(x[half]), a[1] = odd_bytes(x[half]), a[2] = even_bytes(y[half]), a[3] = odd_bytes(y[half]);
          body(2 * i + half, a);
        } else {
          QOQ_UNROLL for (int byte = 0; byte < 2; ++byte) {
            const u32 p = x[half] >> (8 * byte), q = y[half] >> (8 * byte);
            a[0] = p & 0x000f000fu, a[1] = p & 0x00f000f0u, a[2] = q & 0x000f000fu, a[3] = q & 0x00f000f0u;
            body(4 * i + 2 * half + byte, a);
          }
        }
      }
    }
  }
}

/// Calls body(j, a) for each k-step of a unit's keys.
template <DecodeConfig C, class Body>
QOQ_DEVICE void for_each_key(u32 tile, int unit, const Place& at, Body body) {
  const u32 from = tile + static_cast<u32>(unit * C.unit_bytes());
  if constexpr (C.layout == Layout::Fragment) {
    constexpr int pieces = C.unit_bytes() / 512, each = C.steps() / pieces;
    QOQ_UNROLL for (int piece = 0; piece < pieces; ++piece) {
      for_each_packed<C>(from + piece * 512, at.lane, [&](int i, const u32(&a)[4]) { body(piece * each + i, a); });
    }
  } else {
    for_each_key_row<C>(from, at.g, at.t, body);
  }
}
/// Calls body(i, a) for each m-tile of one of a unit's value_pieces.
template <DecodeConfig C, class Body>
QOQ_DEVICE void for_each_value(u32 tile, int unit, int piece, const Place& at, Body body) {
  const u32 from = tile + static_cast<u32>(unit * C.unit_bytes());
  if constexpr (C.layout == Layout::Fragment) {
    for_each_packed<C>(from + piece * 512, at.lane, body);
  } else {
    for_each_value_row<C>(from, piece, at.g, at.t, body);
  }
}

/// Scale and zero of one token of a tile.
struct Quantization {
  float scale, zero;
};
QOQ_DEVICE float low_half(u32 pair) { return prim::to_float(half{static_cast<u16>(pair)}); }
QOQ_DEVICE float high_half(u32 pair) { return prim::to_float(half{static_cast<u16>(pair >> 16)}); }

template <DecodeConfig C>
QOQ_DEVICE Quantization load_quantization(u32 parameters, i32 token) {
  if constexpr (C.layout == Layout::Fragment) {
    const u32 pair = prim::load_shared_u32(parameters + static_cast<u32>(token * 4));
    return {low_half(pair), high_half(pair)};
  } else {
    const u32 at = parameters + static_cast<u32>(token / 2 * 4);
    const u32 scales = prim::load_shared_u32(at), zeros = prim::load_shared_u32(at + 2 * C.tile);
    return token % 2 == 0 ? Quantization{low_half(scales), low_half(zeros)}
                          : Quantization{high_half(scales), high_half(zeros)};
  }
}

/// The zeros of tokens `token` and `token` + 1 (even) as a pair of halves.
template <DecodeConfig C>
QOQ_DEVICE u32 load_zeros(u32 parameters, i32 token) {
  if constexpr (C.layout == Layout::Fragment) {
    const u32x2 both = prim::load_shared_u32x2(parameters + static_cast<u32>(token * 4));
    return high_halves(both.x, both.y);
  } else {
    return prim::load_shared_u32(parameters + static_cast<u32>(2 * C.tile + token * 2));
  }
}

}  // namespace qoq::attention
