// The numeric formats of the GEMMs: C[M,N] = A[M,K] · W[N,K]^T with int8 activations and int32 accumulation.
#pragma once

namespace qoq::gemm {

/// How weights are quantised (QServe paper, section 4.1).
enum class Scheme {
  W4A8Group,    ///< W = (q4 − z)·s2·s1[n]: groups of 128 along K inside an int8 intermediate
  W4A8Channel,  ///< W = (q4 − z[n])·s1[n]
  W8A8,         ///< W = q8·s1[n]
};

/// How a W4A8Group kernel makes int8 of (q4, z, s2).
enum class Dequant {
  None,   ///< nothing to do per group (the other schemes)
  Vadd4,  ///< QServe: q·s by one multiplication per four weights, then four byte additions of −z·s
  Imad,   ///< (q·s + (128 − z·s)·0x01010101) ^ 0x80808080: one IMAD and one XOR per four weights
  U8S8,   ///< the same without the XOR: unsigned weights w + 128, corrected by 128·Σx in the epilogue
};

/// How weights and their group metadata lie in memory; kernels/qoq/layout.h has the formulas.
enum class Layout {
  QServe,    ///< QServe's 512-byte blocks of 32(n) × 32(k), scales and zeros in two arrays
  Fragment,  ///< the same blocks; scale and biased zero of a lane's four columns side by side
  RowMajor,  ///< int8 [N][K]
};

enum class Output {
  F16,
  BF16,
  I32,  ///< the accumulators themselves, for proofs
};

/// Weights that share one scale and zero in W4A8Group.
inline constexpr int group_size = 128;

}  // namespace qoq::gemm
