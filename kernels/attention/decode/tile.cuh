// The compute phase: one tile of a warp's tokens against all of its rows. With s, z a token's scale and zero:
//   score = s·(q·codes − z·Σq);  out += p·s·codes − Σ p·s·z, where p·s is the fp16 that the tensor cores see, so that
//   the second sum, one more product on the tensor cores, cancels exactly what it must.
#pragma once
#include "kernels/attention/decode/fragments.cuh"

namespace qoq::attention {

/// Where a lane's scores stand. Tokens: score e is of token g + 8·(e / 2), row 2t + e % 2. Heads: of token
/// 8·(e / 4) + 2t + e % 2, row g + 8·(e / 2 % 2).
template <DecodeConfig C>
struct Lane {
  static constexpr bool tokens_on_m = C.orientation == Orientation::Tokens;
  static constexpr int scores = tokens_on_m ? 4 : 8;  ///< of a unit and row tile
  static constexpr int tokens = tokens_on_m ? 2 : 4;  ///< among them
  static constexpr int row_slot(int e) { return tokens_on_m ? e % 2 : e / 2 % 2; }
  static constexpr int token_slot(int e) { return tokens_on_m ? e / 2 : e / 4 * 2 + e % 2; }
  static constexpr bool high(int slot) { return tokens_on_m ? slot == 1 : slot >= 2; }  ///< the unit's second half
  /// Output quads: channels 2j and 2j + 1 of the lane are one (Tokens) or two (Heads).
  static constexpr int quads = C.steps() * (tokens_on_m ? 1 : 2);
  static constexpr int quad_row_slot(int i) { return tokens_on_m ? i % 2 : i / 2; }

  QOQ_DEVICE static i32 token(const Place& at, int slot) {
    return tokens_on_m ? at.g + 8 * slot : 8 * (slot / 2) + 2 * at.t + slot % 2;
  }
  QOQ_DEVICE static i32 row(const Place& at, int slot) { return tokens_on_m ? 2 * at.t + slot : at.g + 8 * slot; }
  /// Over the lanes that hold other tokens of the same rows.
  template <class Combine>
  QOQ_DEVICE static float across_tokens(float x, Combine combine) {
    QOQ_UNROLL for (u32 mask = tokens_on_m ? 4 : 1; mask < (tokens_on_m ? 32 : 4); mask *= 2) {
      x = combine(x, prim::as_float(prim::shuffle_xor(prim::as_bits(x), mask)));
    }
    return x;
  }
};

QOQ_DEVICE float minus_infinity() { return prim::as_float(0xff800000u); }

/// The queries as fragments, their sums over channels, and what has been found out about each row so far.
template <DecodeConfig C>
struct Rows {
  using L = Lane<C>;
  u32 q[C.row_tiles][C.steps()][L::tokens_on_m ? 2 : 4];
  float sum[C.row_tiles][2];      ///< Σ q · 2^-24
  float maximum[C.row_tiles][2];  ///< of the raw scores
  float total[C.row_tiles][2];    ///< Σ p over this lane's tokens
  float out[C.row_tiles][L::quads][4];
  float zeros[C.row_tiles][2];  ///< Σ p·s·z
};

template <DecodeConfig C>
QOQ_DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  if constexpr (C.bfloat_mma()) {
    prim::mma_bf16(d, a, b);
  } else {
    prim::mma_f16(d, a, b);
  }
}
template <DecodeConfig C>
QOQ_DEVICE u32 pack(float low, float high) {
  return C.bfloat_mma() ? prim::pack_bfloat2(low, high) : prim::pack_half2(low, high);
}

template <DecodeConfig C>
using Scores = float[C.row_tiles][C.units()][Lane<C>::scores];

/// Raw products of one unit's keys with all rows.
template <DecodeConfig C>
QOQ_DEVICE void multiply_keys(const Stage<C>& stage, int unit, const Place& at, const Rows<C>& rows, Scores<C>& score) {
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int e = 0; e < Lane<C>::scores; ++e)
      score[r][unit][e] = 0;
  for_each_key<C>(stage.keys(), unit, at, [&](int j, const u32(&a)[4]) {
    QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
      if constexpr (Lane<C>::tokens_on_m) {
        multiply<C>(score[r][unit], a, rows.q[r][j]);
      } else {
        const u32 first[2] = {a[0], a[2]}, second[2] = {a[1], a[3]};
        multiply<C>(reinterpret_cast<float(&)[4]>(score[r][unit][0]), rows.q[r][j], first);
        multiply<C>(reinterpret_cast<float(&)[4]>(score[r][unit][4]), rows.q[r][j], second);
      }
    }
  });
}

/// tanh(logit / cap) of x = 2·log2 e·logit / cap, which args.scale makes of a raw score: 1 − 2 / (1 + 2^x).
QOQ_DEVICE float soft_cap(float x) { return 1.0f - 2.0f * prim::reciprocal(1.0f + prim::exp2(x)); }

/// Applies scales and zeros of keys, the cap and, where not every row sees the whole tile, masks.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void scale_scores(const DecodeArgs& args, const Stage<C>& stage, const Place& at, i32 first_token,
                             const Rows<C>& rows, Scores<C>& score) {
  using L = Lane<C>;
  QOQ_UNROLL for (int unit = 0; unit < C.units(); ++unit) {
    if constexpr (C.quantized()) {
      QOQ_UNROLL for (int slot = 0; slot < L::tokens; ++slot) {
        Quantization k = load_quantization<C>(stage.key_parameters(), unit * 16 + L::token(at, slot));
        if (high_keys<C> && L::high(slot)) k = {k.scale * 0.0625f, k.zero * 16.0f};
        QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int e = 0; e < L::scores; ++e) {
          if (L::token_slot(e) != slot) continue;
          float& s = score[r][unit][e];
          s = prim::fma(-k.zero, rows.sum[r][L::row_slot(e)], s) * k.scale;
        }
      }
    }
    if constexpr (C.cap) {
      QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int e = 0; e < L::scores; ++e)
          score[r][unit][e] = soft_cap(score[r][unit][e] * args.scale);
    }
    if constexpr (MASKED) {
      QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int slot = 0; slot < 2; ++slot) {
        Span span = visible(args, at.length, at.first_row + r * C.tile_rows() + L::row(at, slot));
        span.high = least(span.high, at.length);  // rows that do not exist see no further
        QOQ_UNROLL for (int e = 0; e < L::scores; ++e) {
          if (L::row_slot(e) != slot) continue;
          const i32 token = first_token + unit * 16 + L::token(at, L::token_slot(e));
          if (token < span.low || token >= span.high) score[r][unit][e] = minus_infinity();
        }
      }
    }
  }
}

/// A tile's probabilities as the tensor cores' operand.
template <DecodeConfig C>
using Probabilities = u32[C.row_tiles][C.units()][Lane<C>::scores / 2];

/// Scales of values of a unit's tokens. What lies beyond the sequence may be NaN: not even 0 times that.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void load_value_scales(const Stage<C>& stage, const Place& at, i32 first_token, int unit,
                                  float (&scale)[Lane<C>::tokens]) {
  if constexpr (C.quantized()) {
    QOQ_UNROLL for (int slot = 0; slot < Lane<C>::tokens; ++slot) {
      const i32 in_tile = unit * 16 + Lane<C>::token(at, slot);
      scale[slot] = load_quantization<C>(stage.value_parameters(), in_tile).scale;
      if (MASKED && first_token + in_tile >= at.length) scale[slot] = 0;
    }
  }
}

/// Which of tokens `token` and `token` + 1 exist, as masks of a pair of halves.
QOQ_DEVICE u32 present(i32 token, i32 length) {
  return (token < length ? 0x0000ffffu : 0u) | (token + 1 < length ? 0xffff0000u : 0u);
}

/// Raises a row tile's maxima to the tile's; returns what earlier sums are to be multiplied by.
template <DecodeConfig C>
QOQ_DEVICE void raise_maxima(float scale, int r, const Scores<C>& score, Rows<C>& rows, float (&down)[2]) {
  using L = Lane<C>;
  float highest[2] = {rows.maximum[r][0], rows.maximum[r][1]};
  QOQ_UNROLL for (int unit = 0; unit < C.units(); ++unit) QOQ_UNROLL for (int e = 0; e < L::scores; ++e)
      highest[L::row_slot(e)] = prim::maximum(highest[L::row_slot(e)], score[r][unit][e]);
  QOQ_UNROLL for (int i = 0; i < 2; ++i) {
    highest[i] = L::across_tokens(highest[i], prim::maximum);
    // Both are −∞ before the first token that the row sees.
    down[i] = highest[i] > rows.maximum[r][i] ? prim::exp2((rows.maximum[r][i] - highest[i]) * scale) : 1.0f;
    rows.maximum[r][i] = highest[i];
    rows.total[r][i] *= down[i];
  }
}

/// Scores become p = 2^(score − maximum + probability_exponent), and p · s of values the tensor cores' operand.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void weigh(float scale, const Stage<C>& stage, const Place& at, i32 first_token, int r, Scores<C>& score,
                      Rows<C>& rows, Probabilities<C>& p) {
  using L = Lane<C>;
  float shift[2];
  QOQ_UNROLL for (int i = 0; i < 2; ++i) {
    const bool none = MASKED && rows.maximum[r][i] == minus_infinity();
    shift[i] = prim::fma(none ? 0.0f : -rows.maximum[r][i], scale, C.probability_exponent());
  }
  QOQ_UNROLL for (int unit = 0; unit < C.units(); ++unit) {
    float value_scale[L::tokens];
    load_value_scales<C, MASKED>(stage, at, first_token, unit, value_scale);
    QOQ_UNROLL for (int e = 0; e < L::scores; ++e) {
      float& x = score[r][unit][e];
      x = prim::exp2(prim::fma(x, scale, shift[L::row_slot(e)]));
      rows.total[r][L::row_slot(e)] += x;
      if constexpr (C.quantized()) x *= value_scale[L::token_slot(e)];
    }
    QOQ_UNROLL for (int i = 0; i < L::scores / 2; ++i) {
      u32& pair = p[r][unit][i];
      pair = pack<C>(score[r][unit][2 * i], score[r][unit][2 * i + 1]);
      if constexpr (L::tokens_on_m) pair = prim::transpose_matrix(pair);  // (token; two rows) to (row; two tokens)
    }
  }
}

/// sum = sum · down + part, a row slot's own `down`. A tile's products are summed by themselves first: tensor cores cut
/// off what an addition loses, always toward zero, and over a long context that would add up.
template <DecodeConfig C>
QOQ_DEVICE void fold(float (&sum)[4], const float (&down)[2], const float (&part)[4]) {
  QOQ_UNROLL for (int i = 0; i < 4; ++i) sum[i] = prim::fma(sum[i], down[Lane<C>::quad_row_slot(i)], part[i]);
}

/// Σ p·s·z of a tile.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void add_zeros(const Stage<C>& stage, const Place& at, i32 first_token, const Probabilities<C>& p,
                          const float (&down)[C.row_tiles][2], Rows<C>& rows) {
  float part[C.row_tiles][4];
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int i = 0; i < 4; ++i) part[r][i] = 0;
  QOQ_UNROLL for (int unit = 0; unit < C.units(); ++unit) {
    u32 zero[2];
    QOQ_UNROLL for (int i = 0; i < 2; ++i) {
      const i32 token = unit * 16 + 2 * at.t + 8 * i;
      zero[i] = load_zeros<C>(stage.value_parameters(), token);
      if constexpr (MASKED) zero[i] &= present(first_token + token, at.length);
    }
    QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
      if constexpr (Lane<C>::tokens_on_m) {
        const u32 a[4] = {zero[0], zero[0], zero[1], zero[1]};
        multiply<C>(part[r], a, p[r][unit]);
      } else {
        multiply<C>(part[r], p[r][unit], zero);
      }
    }
  }
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int slot = 0; slot < 2; ++slot) rows.zeros[r][slot] =
      prim::fma(rows.zeros[r][slot], down[r][slot], part[r][Lane<C>::tokens_on_m ? slot : 2 * slot]);
}

/// Σ p·s·codes of a tile, a piece of the lane's channels after the other.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void add_values(const Stage<C>& stage, const Place& at, i32 first_token, const Probabilities<C>& p,
                           const float (&down)[C.row_tiles][2], Rows<C>& rows) {
  using L = Lane<C>;
  constexpr int quads = L::quads / value_pieces<C>;
  QOQ_UNROLL for (int piece = 0; piece < value_pieces<C>; ++piece) {
    float part[C.row_tiles][quads][4];
    QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int quad = 0; quad < quads; ++quad)
        QOQ_UNROLL for (int i = 0; i < 4; ++i) part[r][quad][i] = 0;
    QOQ_UNROLL for (int unit = 0; unit < C.units(); ++unit) {
      for_each_value<C>(stage.values(), unit, piece, at, [&](int j, const u32(&words)[4]) {
        u32 a[4] = {words[0], words[1], words[2], words[3]};
        if constexpr (MASKED && !C.quantized()) {
          QOQ_UNROLL for (int i = 0; i < 4; ++i) a[i] &=
              present(first_token + unit * 16 + 2 * at.t + i / 2 * 8, at.length);
        }
        QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
          if constexpr (L::tokens_on_m) {
            multiply<C>(part[r][j], a, p[r][unit]);
          } else {
            const u32 even[2] = {a[0], a[2]}, odd[2] = {a[1], a[3]};
            multiply<C>(part[r][2 * j], p[r][unit], even);
            multiply<C>(part[r][2 * j + 1], p[r][unit], odd);
          }
        }
      });
    }
    QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) QOQ_UNROLL for (int quad = 0; quad < quads; ++quad)
        fold<C>(rows.out[r][piece * quads + quad], down[r], part[r][quad]);
  }
}

/// One tile of tokens against all rows.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void attend(const DecodeArgs& args, const Stage<C>& stage, const Place& at, i32 first_token, Rows<C>& rows) {
  const float scale = C.cap ? args.cap_scale : args.scale;
  Scores<C> score;
  QOQ_UNROLL for (int unit = 0; unit < C.units(); ++unit) multiply_keys<C>(stage, unit, at, rows, score);
  scale_scores<C, MASKED>(args, stage, at, first_token, rows, score);
  Probabilities<C> p;
  float down[C.row_tiles][2];
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
    raise_maxima<C>(scale, r, score, rows, down[r]);
    weigh<C, MASKED>(scale, stage, at, first_token, r, score, rows, p);
  }
  if constexpr (C.quantized()) add_zeros<C, MASKED>(stage, at, first_token, p, down, rows);
  add_values<C, MASKED>(stage, at, first_token, p, down, rows);
}

}  // namespace qoq::attention
