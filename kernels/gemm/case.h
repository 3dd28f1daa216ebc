#pragma once
#include <cstdint>
#include <vector>

#include "kernels/family.h"
#include "kernels/gemm/problem.h"
#include "kernels/qoq/layout.h"

namespace qoq::gemm {

/// Random operands of one GEMM. Weights and activations use the whole range of their formats; scales are such that
/// outputs are of order 1. Everything is row-major.
struct GemmCase : Case {
  GemmProblem problem;
  std::vector<int8_t> a;               ///< [M][K]
  std::vector<uint8_t> q4;             ///< [N][K] codes 0 … 15 (4-bit schemes)
  GroupMetadata metadata;              ///< [K/128][N] (groups)
  std::vector<int8_t> w;               ///< [N][K] what the tensor cores multiply: reconstructed, raw codes, or int8
  std::vector<uint16_t> s1;            ///< [N] fp16
  std::vector<uint16_t> szero;         ///< [N] fp16, z·s1 (per channel)
  std::vector<uint16_t> sx;            ///< [M] fp16
  std::vector<float> token_sum;        ///< [M] Σ of the unquantised activations (per channel)
  std::vector<int32_t> quantised_sum;  ///< [M] Σ of the quantised ones
  std::vector<uint16_t> bias;          ///< [N] in the output's format
};

/// Draws a case. With `wrap`, some groups leave int8 as a foreign checkpoint's may, so that only QServe's wrapping
/// addition computes them.
GemmCase make_gemm_case(const GemmProblem& problem, uint64_t seed, bool wrap = false);

}  // namespace qoq::gemm
