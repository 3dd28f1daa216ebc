// One point of the attention/decode family as a structural type: the kernel's template parameter, and what makes it
// legal.
#pragma once
#include "kernels/attention/format.cuh"
#include "kernels/prim/types.cuh"

namespace qoq::attention {

/// Which operand of the tensor cores the cache is. A row is one query head of one new token.
enum class Orientation {
  Tokens,  ///< 16 tokens on M, 8 rows on N: half the padding for small groups
  Heads,   ///< 16 rows on M, 8 tokens on N
};

/// Who puts the splits of a sequence together.
enum class Merge {
  Kernel,  ///< the CTA that arrives last
  Second,  ///< a second kernel
};

struct DecodeConfig {
  Scheme scheme;
  Element element;  ///< of queries, outputs and a kv16 cache
  Layout layout;
  Orientation orientation;
  Merge merge;
  bool split;    ///< a sequence may be split over CTAs (how many is an argument)
  bool cap;      ///< logits are capped by tanh
  bool checked;  ///< page ids and lengths are checked; what is out of range is counted and replaced
  bool ablated;  ///< no-dequant ablation: packed words go to the tensor cores as they are
  int head_dim, page;
  int tile;       ///< tokens that a warp loads, and multiplies, at a time
  int stages;     ///< tiles in flight per warp
  int warps;      ///< along the tokens; each has its own pipeline
  int row_tiles;  ///< of 8 or 16 rows that one dequantisation serves
  int resident;   ///< warps of an SM that registers must leave room for: 8, 12 or 16

  constexpr int bits() const { return attention::bits(scheme); }
  constexpr bool quantized() const { return scheme != Scheme::Kv16; }
  /// Codes and probabilities meet in fp16 whatever the element; only a bf16 cache is multiplied in bf16.
  constexpr bool bfloat_mma() const { return !quantized() && element == Element::BF16; }
  /// Probabilities are carried times 2^this, so that those of seldom-seen tokens, and small scales of values, do not
  /// leave fp16's normal range: p·s is exact to fp16 down to p·s = 2^-(14 + this). Above, p·s must stay below 65,504: s
  /// < 255 (kv4) or 16 (kv8), values that span less than 3,800; beyond, outputs are NaN. A bf16 product needs none.
  constexpr int probability_exponent() const {
    return scheme == Scheme::Kv4 ? 8 : scheme == Scheme::Kv8 ? 12 : bfloat_mma() ? 0 : 15;
  }
  constexpr int threads() const { return warps * 32; }
  constexpr int units() const { return tile / 16; }
  constexpr int steps() const { return head_dim / 16; }  ///< MMAs along the head's channels
  constexpr int tile_rows() const { return orientation == Orientation::Tokens ? 8 : 16; }
  constexpr int rows() const { return row_tiles * tile_rows(); }  ///< that a CTA serves

  constexpr int row_bytes() const { return head_dim * bits() / 8; }
  constexpr int unit_bytes() const { return 16 * row_bytes(); }
  constexpr int code_bytes() const { return tile * row_bytes(); }
  constexpr int parameter_bytes() const { return quantized() ? tile * 4 : 0; }
  constexpr int stage_bytes() const { return 2 * (code_bytes() + parameter_bytes()); }
  constexpr int warp_bytes() const { return stages * stage_bytes(); }
  /// At the end the warps' results pass through the pipelines' memory, one row tile after the other.
  constexpr int result_stride() const { return head_dim + 4; }  ///< floats a row: 4 more keep banks apart
  constexpr int merge_bytes() const { return warps * tile_rows() * (result_stride() + 2) * 4; }
  constexpr int shared_bytes() const {
    return warps * warp_bytes() > merge_bytes() ? warps * warp_bytes() : merge_bytes();
  }

  /// Accumulators of outputs and scores, and the queries' registers.
  constexpr int registers() const {
    const int wide = orientation == Orientation::Tokens ? 1 : 2;
    return row_tiles * wide * (steps() * 4 + steps() * 2 + units() * 4);
  }
  constexpr int least_ctas() const { return resident / warps > 0 ? resident / warps : 1; }
};

/// Why a config can be no kernel, on any GPU and for any problem.
enum class Illegal {
  No,
  HeadDim,    // not 64, 128 or 256
  Page,       // not 16, 32, 64 or 128
  Tile,       // not 16, 32 or 64 tokens, or more than a page
  Stages,     // a pipeline needs two stages
  Warps,      // not 1 to 16
  RowTiles,   // not 1 to 4
  Registers,  // queries, scores and outputs would not fit into a thread's registers
  Ablation,   // only the quantised fragment layout has an ablation
};

constexpr Illegal illegal(const DecodeConfig& c) {
  if (c.head_dim != 64 && c.head_dim != 128 && c.head_dim != 256) return Illegal::HeadDim;
  if (c.page != 16 && c.page != 32 && c.page != 64 && c.page != 128) return Illegal::Page;
  if ((c.tile != 16 && c.tile != 32 && c.tile != 64) || c.tile > c.page) return Illegal::Tile;
  if (c.stages < 2) return Illegal::Stages;
  if (c.warps < 1 || c.warps > 16) return Illegal::Warps;
  if (c.row_tiles < 1 || c.row_tiles > 4) return Illegal::RowTiles;
  if (c.registers() > 176) return Illegal::Registers;
  if (c.ablated && (c.layout != Layout::Fragment || !c.quantized())) return Illegal::Ablation;
  return Illegal::No;
}

/// What an attention/decode kernel is launched with. Arrays are dense.
struct DecodeArgs {
  const u16* q;  ///< [batch][q_len][q_heads][Dh]
  const u8* k;   ///< pages of keys, and of values
  const u8* v;
  const i32* table;    ///< [batch][table_width] page ids
  const i32* lengths;  ///< [batch] cached tokens, the new ones included
  void* out;           ///< [batch][q_len][q_heads][Dh]
  float* lse;          ///< [batch][q_len][q_heads], natural logarithm; null: not wanted
  float* partials;     ///< splits: [CTA of a sequence][split][rows][Dh], then maximum and sum [..][rows][2]
  float* partial_sums;
  i32* arrivals;  ///< [CTA of a sequence], zero between launches (Merge::Kernel)
  i32* faults;    ///< checked: how many page ids and lengths were out of range
  i32 pages;      ///< in the pools
  i32 table_width;
  i32 q_heads, kv_heads, q_len;
  i32 group, rows, row_blocks;  ///< query heads a KV head; rows = group · q_len; CTAs that share them
  i32 splits;                   ///< at most 64
  i32 least_tiles;              ///< a split is no shorter than this, so that short sequences have fewer
  i32 window;                   ///< 0: none
  float scale;      ///< from raw scores to logits · log2 e (without a cap), or to 2 · log2 e · logit / cap
  float cap_scale;  ///< cap · log2 e
};

inline constexpr int most_splits = 64;

}  // namespace qoq::attention
