#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "kernels/gemm/case.h"

namespace qoq::gemm {

/// References of the schemes whose sums are floats: w4a16-g128 and w4a4-g128.

/// w4a16: how far an output may be from Σ a·w in fp64, relative to the largest of all: 1e-3 for fp16 outputs, 8e-3 for
/// bf16. Tensor cores add floats in an order, and with roundings, of their own.
double half_tolerance(const GemmProblem& problem);
/// w4a16: outputs beside Σ a·w [+ bias] in fp64, with the case's weights as the kernel must make them, each rounded to
/// fp16 once. The ablation multiplies the packed words as they lie: columns 8j + r of each 32 all get the half that
/// holds the four codes of row k of columns r, r+8, r+16, r+24, the first lowest, without bit 14.
Check check_half(const GemmCase& c, std::span<const std::byte> out, bool ablated);
/// What the ablation multiplies, fp16 bits [N][K]. Without bit 14 they are all below 2: neither infinite nor NaN.
std::vector<uint16_t> ablated_halves(const GemmCase& c);

/// Which sums a kernel keeps apart, and so in which order fp32 ones are added: inside a slice group after group, then
/// slices, then splits. A slice takes block_k / slices of each k-tile; splits share out tiles, or pairs of tiles that
/// make a group.
struct SumOrder {
  int block_k = 128, slices = 1, splits = 1;
};
/// w4a4: y = Σ over groups, in the order, of fma(float(Σ a·w), sx·sw, y) in fp32, then [+ bias]. The ablation has one
/// int32 sum: y = float(Σ a·w) · (sw[0] · sx[0]), the scales of group 0.
std::vector<std::byte> finish_int4(const GemmCase& c, SumOrder order, bool ablated);

}  // namespace qoq::gemm
