#pragma once
#include "kernels/gemm/mma/point.h"

namespace qoq::gemm {

/// Operations and least bytes of the problem, whoever solves it. Weights count as packed, metadata included.
Work gemm_work(const GemmProblem& problem);

/// Bytes and MMAs of one variant: m16n8k16, k32 or k64 as its scheme takes them. (A W4A4 variant that unpacks to int8
/// has twice the MMAs of one that doesn't; where a GPU does int4 twice as fast as int8 they take equally long.) DRAM
/// bytes assume that CTAs of one wave share what they read through L2, and that an operand which fits in half of L2 is
/// read once.
Traffic mma_traffic(const MmaVariant& variant, const GemmProblem& problem, const Device& device);

/// QServe's tile table, which it selects by if/else on M (public kernels of the paper's release); nothing for schemes
/// that it has not.
std::optional<Point> qserve_point(const GemmProblem& problem);

}  // namespace qoq::gemm
