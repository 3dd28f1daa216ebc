#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/family.h"
#include "kernels/gemm/mma/config.cuh"
#include "kernels/gemm/problem.h"

namespace qoq::gemm {

/// The gemm/mma parameters, in the order of a variant's id.
const std::vector<Parameter>& mma_parameters();

/// A point as the kernel's config, and what goes in at launch. Throws Fault::Input when a parameter is missing.
struct MmaVariant {
  MmaConfig config;
  int splits;  ///< CTAs that share an output tile
  int raster;  ///< N-tiles a panel

  static MmaVariant from(const Point& point, const GemmProblem& problem);

  int k_tiles(const GemmProblem& p) const { return (p.k + config.block_k - 1) / config.block_k; }
  int tiles_m(const GemmProblem& p) const { return (p.m + config.block_m - 1) / config.block_m; }
  int tiles_n(const GemmProblem& p) const { return (p.n + config.block_n - 1) / config.block_n; }
};

/// "mma.w4a8-g128.bm128.bn64.bk64.wm64.wn32.st4.ks1.sk1.ra1.imad.qserve[.bf16][.bias][.ablated]"
std::string variant_id(const Point& point, const GemmProblem& problem);
/// The reverse; sizes come from `shape`. Nothing when it is no such id.
std::optional<std::pair<Point, GemmProblem>> parse_variant_id(std::string_view id, const GemmProblem& shape);

/// A sentence for each Illegal.
std::string_view sentence(Illegal);

}  // namespace qoq::gemm
