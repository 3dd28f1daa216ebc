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
  std::vector<int8_t> a;     ///< [M][K]; w4a4: −8 … 7
  std::vector<uint8_t> q4;   ///< [N][K] codes 0 … 15 (4-bit schemes but w4a4)
  GroupMetadata metadata;    ///< [K/128][N] (groups)
  std::vector<int8_t> w;     ///< [N][K] what the tensor cores multiply: reconstructed, raw codes, int8, or −8 … 7
  std::vector<uint16_t> s1;  ///< [N] fp16
  std::vector<uint16_t> szero;         ///< [N] fp16, z·s1 (per channel)
  std::vector<uint16_t> sx;            ///< [M] fp16
  std::vector<float> token_sum;        ///< [M] Σ of the activations, sx·Σ q of them or before rounding (per channel)
  std::vector<int32_t> quantised_sum;  ///< [M] Σ of the quantised ones
  std::vector<uint16_t> bias;          ///< [N] in the output's format

  std::vector<uint16_t> a16;                ///< w4a16: [M][K] fp16
  std::vector<uint16_t> w16;                ///< w4a16: [N][K] fp16((q4 − z)·s), what the tensor cores multiply
  std::vector<uint16_t> group_scale;        ///< w4a16 and w4a4: [K/128][N] fp16
  std::vector<uint8_t> group_zero;          ///< w4a16: [K/128][N] z, 0 … 15
  std::vector<uint16_t> token_group_scale;  ///< w4a4: [K/128][M] fp16
};

/// Draws a case. With `wrap`, some groups leave int8 as a foreign checkpoint's may, so that only QServe's wrapping
/// addition computes them.
GemmCase make_gemm_case(const GemmProblem& problem, uint64_t seed, bool wrap = false);

}  // namespace qoq::gemm
