// The store phase: int32 sums to outputs. The order of roundings is the contract (kernels/gemm/reference.h):
//   y = float(acc) · (s1[n] · sx[m])   [ − szero[n] · t[m] ]   [ + bias[n] ],   each operation rounded to fp32.
#pragma once
#include "kernels/gemm/mma/compute.cuh"

namespace qoq::gemm {

struct Pair {
  float low, high;
};

/// Two neighbouring 16-bit floats.
QOQ_DEVICE Pair load_halves(const half* from, int index) {
  const u32 both = prim::load_readonly(reinterpret_cast<const u32*>(from + index));
  return {prim::to_float(half{static_cast<u16>(both)}), prim::to_float(half{static_cast<u16>(both >> 16)})};
}
QOQ_DEVICE Pair load_bfloats(const bfloat* from, int index) {
  const u32 both = prim::load_readonly(reinterpret_cast<const u32*>(from + index));
  return {prim::to_float(bfloat{static_cast<u16>(both)}), prim::to_float(bfloat{static_cast<u16>(both >> 16)})};
}

/// A lane's two columns of one n8 fragment, and what scales them.
template <MmaConfig C>
struct Columns {
  int n;
  Pair scale, szero, bias;
};

template <MmaConfig C>
QOQ_DEVICE Columns<C> load_columns(const MmaArgs& args, int n) {
  Columns<C> columns{n, {}, {}, {}};
  if constexpr (C.output != Output::I32) {
    columns.scale = load_halves(args.weight_scales, n);
    if constexpr (C.scheme == Scheme::W4A8Channel) columns.szero = load_halves(args.weight_szeros, n);
    if constexpr (C.bias && C.output == Output::F16) columns.bias = load_halves(static_cast<const half*>(args.bias), n);
    if constexpr (C.bias && C.output == Output::BF16) columns.bias = load_bfloats(static_cast<const bfloat*>(args.bias), n);
  }
  return columns;
}

template <MmaConfig C>
QOQ_DEVICE float finish(i32 sum, float weight_scale, float token_scale, float szero, float token_sum, float bias) {
  float y = prim::int_to_float(sum) * (weight_scale * token_scale);
  if constexpr (C.scheme == Scheme::W4A8Channel) y = y - szero * token_sum;
  if constexpr (C.bias) y = y + bias;
  return y;
}

/// Stores row m's two outputs.
template <MmaConfig C>
QOQ_DEVICE void store_pair(const MmaArgs& args, int m, const Columns<C>& columns, i32 low, i32 high) {
  const i64 at = static_cast<i64>(m) * args.n + columns.n;
  if constexpr (C.dequant == Dequant::U8S8) {  // the weights were 128 too large
    const i32 excess = 128 * prim::load_readonly(args.quantised_sums + m);
    low -= excess;
    high -= excess;
  }
  if constexpr (C.output == Output::I32) {
    prim::store_global(reinterpret_cast<u32x2*>(static_cast<i32*>(args.out) + at), u32x2{static_cast<u32>(low), static_cast<u32>(high)});
  } else {
    const float token_scale = prim::to_float(prim::load_readonly(args.token_scales + m));
    const float token_sum = C.scheme == Scheme::W4A8Channel ? prim::load_readonly(args.token_sums + m) : 0.0f;
    const float y0 = finish<C>(low, columns.scale.low, token_scale, columns.szero.low, token_sum, columns.bias.low);
    const float y1 = finish<C>(high, columns.scale.high, token_scale, columns.szero.high, token_sum, columns.bias.high);
    const u32 both = C.output == Output::F16 ? prim::pack_half2(y0, y1) : prim::pack_bfloat2(y0, y1);
    prim::store_global(reinterpret_cast<u32*>(static_cast<u16*>(args.out) + at), both);
  }
}

template <MmaConfig C>
QOQ_DEVICE void store_outputs(const MmaArgs& args, const Place& at, const Accumulators<C>& sum) {
  const int m0 = at.m0 + at.warp_m0 + at.lane / 4;
  const int n0 = at.n0 + at.warp_n0 + at.lane % 4 * 2;
  QOQ_UNROLL for (int strip = 0; strip < Accumulators<C>::strips; ++strip) QOQ_UNROLL for (int j = 0; j < 4; ++j) {
    const int n = n0 + strip * 32 + j * 8;
    if (n < args.n) {
      const Columns<C> columns = load_columns<C>(args, n);
      QOQ_UNROLL for (int row = 0; row < Accumulators<C>::rows; ++row) QOQ_UNROLL for (int half = 0; half < 2; ++half) {
        const int m = m0 + row * 16 + half * 8;
        const auto& quad = sum.at[strip][row][j];
        if (m < args.m) store_pair<C>(args, m, columns, quad[half * 2], quad[half * 2 + 1]);
      }
    }
  }
}

}  // namespace qoq::gemm
