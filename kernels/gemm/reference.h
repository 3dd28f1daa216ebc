#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/gemm/case.h"

namespace qoq::gemm {

/// Σ a·w of `count` elements.
int32_t dot(const int8_t* a, const int8_t* w, int count);

/// The plain definition: acc[m][n] = Σ_k a[m][k] · w[n][k] in int32. `w` is [N][K].
std::vector<int32_t> accumulate(const GemmCase& c, std::span<const int8_t> w);

/// From sums to outputs, in the order that every kernel keeps, each operation rounded to fp32 and the last to the
/// output:
///   y = float(acc) · (s1[n] · sx[m])  [ − szero[n] · t[m] ]  [ + bias[n] ]
/// (QServe's epilogue; kernels compile without contraction, so that results are bit-equal.)
std::vector<std::byte> finish(const GemmCase& c, std::span<const int32_t> sums);

/// What the no-dequant ablation multiplies instead of the case's weights, as int8 [N][K]: the packed bytes as they lie.
/// A fragment takes a pair of words as it was loaded, so k-halves and column-halves of each 32 × 32 block change
/// places: column 16g + 8e + r, row 16h + s gets the byte of column 8h + r (and 16 further), row 16·(g ? 1 − e : e) +
/// s. `biased` for unsigned weights whose epilogue takes 128 off.
std::vector<int8_t> ablated_weights(const GemmCase& c, bool biased);

/// Outputs beside the reference: bit-equality, or the first difference.
Check compare(const GemmCase& c, std::span<const std::byte> out, std::span<const std::byte> expected);

}  // namespace qoq::gemm
