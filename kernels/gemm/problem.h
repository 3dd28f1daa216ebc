#pragma once
#include <array>
#include <optional>
#include <string>

#include "kernels/family.h"
#include "kernels/gemm/format.cuh"

namespace qoq::gemm {

inline constexpr std::array schemes{Scheme::W4A8Group, Scheme::W4A8Channel, Scheme::W8A8, Scheme::W4A16Group,
                                    Scheme::W4A4Group};

/// C[M,N] = A[M,K] · W[N,K]^T in one of the schemes; the typed form of a "gemm …" problem.
struct GemmProblem {
  Scheme scheme = Scheme::W4A8Group;
  Output output = Output::F16;
  bool bias = false;
  int m = 1, n = 0, k = 0;

  int groups() const { return k / group_size; }

  /// Fields: m, n, k, out (fp16, bf16 or i32; default fp16), bias (0 or 1; default 0). Throws Fault::Input with a
  /// sentence for anything else: an unknown field or scheme, sizes out of range or that the format cannot hold.
  static GemmProblem parse(const Problem& problem);
  /// The canonical text form's fields; defaults are left out.
  Problem problem() const;
};

std::string_view name(Scheme);
std::string_view name(Output);

}  // namespace qoq::gemm
