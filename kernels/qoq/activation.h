#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace qoq {

/// Activations in int8, symmetric, one scale a token, with the sums that the GEMM kernels' forms take.
struct TokenActivations {
  std::vector<int8_t> q;               ///< [M][K], −127 … 127
  std::vector<uint16_t> sx;            ///< [M] fp16
  std::vector<float> token_sum;        ///< [M] sx·Σ q: what the codes add up to (per-channel weights)
  std::vector<int32_t> quantised_sum;  ///< [M] Σ q (the u8×s8 form)
  bool operator==(const TokenActivations&) const = default;
};

/// amax = max|x| of the token, sx = fp16(amax/127), q = round(fp32(x·127)/amax), ties to even (QServe: by the exact
/// maximum, not by the rounded scale). token_sum = fp32(Σ q · sx), one rounding. (QServe sums x before rounding: then
/// Σ q4·q·sx − z·Σ x counts a rounding error of x by q4, up to 15, and not by q4 − z; on a trained network's weights
/// outputs were up to nine times as far off, results/notes/token-sums.md. The GEMM takes either.)
/// A token below fp16's least scale (amax/127 < 2^-25, zeros too) has sx = 2^-24 and codes 0. `x` is [M][K]; throws
/// Fault::Input for a value that is not finite (with its place), a scale beyond fp16, and sizes that disagree.
TokenActivations quantize_tokens(std::span<const float> x, int m, int k);

}  // namespace qoq
