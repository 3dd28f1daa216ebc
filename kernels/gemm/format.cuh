// The numeric formats of the GEMMs: C[M,N] = A[M,K] · W[N,K]^T. Ours have int8 activations and int32 sums; W4A16Group
// and W4A4Group are what QServe is compared with (paper, section 3.2).
#pragma once

namespace qoq::gemm {

/// How operands are quantised (QServe paper, section 4.1).
enum class Scheme {
  W4A8Group,    ///< W = (q4 − z)·s2·s1[n]: groups of 128 along K inside an int8 intermediate
  W4A8Channel,  ///< W = (q4 − z[n])·s1[n]
  W8A8,         ///< W = q8·s1[n]
  W4A16Group,   ///< W = (q4 − z)·s with fp16 s and whole z a group, fp16 activations, fp32 sums
  W4A4Group,    ///< W = q·s, A = q·s with signed q and fp16 s a group (Atom): int32 sums a group, fp32 over groups
};

/// How a W4A8Group kernel makes int8 of (q4, z, s2), and whether a W4A4Group kernel makes it of 4-bit integers.
enum class Dequant {
  None,   ///< nothing to choose (the other schemes); W4A4Group: int4 tensor cores, sm_80 to sm_89
  Vadd4,  ///< QServe: q·s by one multiplication per four weights, then four byte additions of −z·s
  Imad,   ///< (q·s + (128 − z·s)·0x01010101) ^ 0x80808080: one IMAD and one XOR per four weights
  U8S8,   ///< the same without the XOR: unsigned weights w + 128, corrected by 128·Σx in the epilogue
  Int8,   ///< W4A4Group: both operands' nibbles unpacked for the int8 tensor cores
};

/// How weights and their group metadata lie in memory; kernels/qoq/layout.h has the formulas.
enum class Layout {
  QServe,    ///< QServe's 512-byte blocks of 32(n) × 32(k), scales and zeros in two arrays
  Fragment,  ///< blocks and metadata in the order in which lanes read them (W4A8Group: QServe's blocks)
  RowMajor,  ///< int8 [N][K]
};

enum class Output {
  F16,
  BF16,
  I32,  ///< the accumulators themselves, for proofs
};

/// Weights that share one scale and zero in the schemes with groups.
inline constexpr int group_size = 128;

}  // namespace qoq::gemm
