// The store phase: int32 sums to outputs. The order of roundings is the contract (kernels/gemm/reference.h):
//   y = float(acc) · (s1[n] · sx[m])   [ − szero[n] · t[m] ]   [ + bias[n] ],   each operation rounded to fp32.
// fp32 sums are y already, but for the bias. The ablation of W4A4 scales its int32 sum by what group 0 has.
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
struct Columns {
  Pair scale, szero, bias;
};

template <MmaConfig C>
QOQ_DEVICE Columns load_columns(const MmaArgs& args, int n) {
  Columns columns{};
  if constexpr (C.output != Output::I32) {
    if constexpr (C.scheme == Scheme::W4A4Group && !C.float_sums()) {
      const int place = n / 32 * 32 + n % 8 * 4 + n % 32 / 8 * 2;  // n is even; kernels/gemm/packing.h
      columns.scale = load_halves(reinterpret_cast<const half*>(args.metadata), place);
    } else if constexpr (!C.float_sums()) {
      columns.scale = load_halves(args.weight_scales, n);
    }
    if constexpr (C.scheme == Scheme::W4A8Channel) columns.szero = load_halves(args.weight_szeros, n);
    if constexpr (C.bias && C.output == Output::F16) columns.bias = load_halves(static_cast<const half*>(args.bias), n);
    if constexpr (C.bias && C.output == Output::BF16)
      columns.bias = load_bfloats(static_cast<const bfloat*>(args.bias), n);
  }
  return columns;
}

/// What belongs to one row of C.
struct Row {
  float scale, sum;
  i32 excess;  ///< u8×s8: the weights were 128 too large
};

template <MmaConfig C>
QOQ_DEVICE Row load_row(const MmaArgs& args, int m) {
  Row row{};
  if constexpr (C.scheme == Scheme::W4A4Group && !C.float_sums()) {
    const int place = m / 16 * 16 + m % 8 * 2 + m % 16 / 8;
    row.scale = C.product_unit() * prim::to_float(prim::load_readonly(args.token_scales + place));
  } else if constexpr (C.output != Output::I32 && !C.float_sums()) {
    row.scale = prim::to_float(prim::load_readonly(args.token_scales + m));
  }
  if constexpr (C.scheme == Scheme::W4A8Channel && C.output != Output::I32)
    row.sum = prim::load_readonly(args.token_sums + m);
  if constexpr (C.dequant == Dequant::U8S8) row.excess = 128 * prim::load_readonly(args.quantised_sums + m);
  return row;
}

template <MmaConfig C>
QOQ_DEVICE float finish(Sum<C> sum, const Row& row, float scale, float szero, float bias) {
  float y;
  if constexpr (C.float_sums()) {
    y = sum;
  } else {
    y = prim::int_to_float(sum) * (scale * row.scale);
  }
  if constexpr (C.scheme == Scheme::W4A8Channel) y = y - szero * row.sum;
  if constexpr (C.bias) y = y + bias;
  return y;
}

/// Stores two neighbouring outputs.
template <MmaConfig C>
QOQ_DEVICE void store_pair(const MmaArgs& args, i64 at, const Row& row, const Columns& columns, Sum<C> low,
                           Sum<C> high) {
  if constexpr (C.dequant == Dequant::U8S8) {
    low -= row.excess;
    high -= row.excess;
  }
  if constexpr (C.output == Output::I32) {
    prim::store_global(reinterpret_cast<u32x2*>(static_cast<i32*>(args.out) + at),
                       u32x2{static_cast<u32>(low), static_cast<u32>(high)});
  } else {
    const float y0 = finish<C>(low, row, columns.scale.low, columns.szero.low, columns.bias.low);
    const float y1 = finish<C>(high, row, columns.scale.high, columns.szero.high, columns.bias.high);
    const u32 both = C.output == Output::F16 ? prim::pack_half2(y0, y1) : prim::pack_bfloat2(y0, y1);
    prim::store_global(reinterpret_cast<u32*>(static_cast<u16*>(args.out) + at), both);
  }
}

template <MmaConfig C>
QOQ_DEVICE void store_outputs(const MmaArgs& args, const Place& at, const Accumulators<C>& sum) {
  using A = Accumulators<C>;
  const int m0 = at.m0 + at.warp_m0 + at.lane / 4;
  const int n0 = at.n0 + at.warp_n0 + at.lane % 4 * 2;
  Columns columns[A::strips][4];
  QOQ_UNROLL for (int strip = 0; strip < A::strips; ++strip) QOQ_UNROLL for (int j = 0; j < 4; ++j) {
    const int n = n0 + strip * 32 + j * 8;
    columns[strip][j] =
        load_columns<C>(args, !C.ragged_n || n < args.n ? n : 0);  // any will do where nothing is stored
  }
  QOQ_UNROLL for (int fragment = 0; fragment < A::rows; ++fragment) QOQ_UNROLL for (int half = 0; half < 2; ++half) {
    const int m = m0 + fragment * 16 + half * 8;
    if (m < args.m) {
      const Row row = load_row<C>(args, m);
      const i64 first = static_cast<i64>(m) * args.n + n0;
      QOQ_UNROLL for (int strip = 0; strip < A::strips; ++strip) QOQ_UNROLL for (int j = 0; j < 4; ++j) {
        const auto& quad = sum.at[strip][fragment][j];
        if (!C.ragged_n || n0 + strip * 32 + j * 8 < args.n) {
          store_pair<C>(args, first + strip * 32 + j * 8, row, columns[strip][j], quad[half * 2], quad[half * 2 + 1]);
        }
      }
    }
  }
}

}  // namespace qoq::gemm
