#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernels/attention/decode/config.cuh"
#include "kernels/attention/problem.h"
#include "kernels/family.h"

namespace qoq::attention {

/// The attention/decode parameters, in the order of a variant's id.
const std::vector<Parameter>& decode_parameters();

/// Where to start without having tuned. Its tile, stages and warps with one split were within 3 % of the fastest at six
/// of the seven kv4 sizes measured on an H200 (17 % at the seventh, 2,048 sequences and heads of 256 tokens); the
/// splits are left to splits_of(), for small batches and long contexts.
Point default_decode_point();

/// A point as the kernel's config, and what goes in at launch. Throws Fault::Input when a parameter is missing.
struct DecodeVariant {
  DecodeConfig config;
  int splits;  ///< CTAs a sequence, KV head and row block; 0: chosen from the batch and its lengths

  static DecodeVariant from(const Point& point, const AttentionProblem& problem);

  int row_blocks(const AttentionProblem& p) const { return (p.rows() + config.rows() - 1) / config.rows(); }
  /// Sequences × KV heads × row blocks.
  int64_t groups(const AttentionProblem& p) const { return int64_t{p.batch} * p.kv_heads * row_blocks(p); }
  /// Tiles of one sequence.
  int tiles(int length) const { return (length + config.tile - 1) / config.tile; }
};

/// How sequences are split on a device.
struct Splits {
  int count = 1;        ///< along the grid
  int least_tiles = 1;  ///< a split is no shorter
};
/// The point's fixed number; or, where it leaves that open, the number with which the busiest SM is estimated to end
/// first.
Splits splits_of(const DecodeVariant& variant, const AttentionProblem& problem, const Device& device);

/// "decode.kv4.dh128.p64.tl32.st3.w4.rt1.rw12.sp0.tokens.kernel.fragment[.bf16][.cap][.checked][.ablated]"
std::string variant_id(const Point& point, const AttentionProblem& problem);
/// The reverse; sizes come from `shape`. Nothing when it is no such id.
std::optional<std::pair<Point, AttentionProblem>> parse_variant_id(std::string_view id, const AttentionProblem& shape);

/// A sentence for each Illegal.
std::string_view sentence(Illegal);

}  // namespace qoq::attention
