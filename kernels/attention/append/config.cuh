// One point of attention/append as a structural type, and how a page is addressed: shared with attention/gather.
#pragma once
#include "kernels/attention/format.cuh"
#include "kernels/prim/types.cuh"

namespace qoq::attention {

/// One side (keys or values) of a page, as kernels/qoq/kv_cache.h says. In both layouts the codes of 16 tokens whose
/// first slot is a multiple of 16, a unit, lie together.
struct PageForm {
  Scheme scheme;
  Layout layout;
  int head_dim, page;

  constexpr int bits() const { return attention::bits(scheme); }
  constexpr int row_bytes() const { return head_dim * bits() / 8; }
  constexpr int codes_bytes() const { return page * row_bytes(); }  ///< of one head
  constexpr int head_bytes() const { return codes_bytes() + (bits() == 16 ? 0 : 4 * page); }
  /// 16-byte vectors of a unit that one lane of a warp owns.
  constexpr int pieces() const { return head_dim * bits() / 256; }
  /// A token's row as a warp takes it: eight channels a lane.
  constexpr int row_lanes() const { return head_dim / 8; }
  constexpr int rows_at_once() const { return 32 / row_lanes(); }
  constexpr int passes() const { return 16 / rows_at_once(); }
};

inline constexpr int unit_tokens = 16;

struct AppendConfig {
  PageForm form;
  Element element;  ///< of the new keys and values
  bool rope;        ///< rotate the new keys
  int warps;        ///< a CTA's, each with a unit of its own

  constexpr int threads() const { return 32 * warps; }
  /// Bytes a code takes in shared memory, where a unit's rows wait to be interleaved; 16 bytes of padding spread rows
  /// over the banks.
  constexpr int tile_stride() const { return form.head_dim * (form.bits() == 16 ? 2 : 1) + 16; }
  constexpr int tile_bytes() const { return form.layout == Layout::Fragment ? unit_tokens * tile_stride() : 0; }
  constexpr int shared_bytes() const { return warps * tile_bytes(); }
};

/// Lengths and page ids are trusted: whoever launches has checked them.
struct AppendArgs {
  const void* k;        ///< [batch][tokens][heads][Dh] 16-bit floats
  const void* v;        ///< likewise
  const i32* lengths;   ///< [batch] tokens of each sequence, the new ones included
  const i32* table;     ///< [batch][width] page ids
  const float* cosine;  ///< [position][Dh/2]; null without rope
  const float* sine;    ///< likewise
  u8* k_pool;
  u8* v_pool;
  int batch, heads, tokens, width;
  int units;  ///< the most units that `tokens` consecutive tokens can lie in
};

constexpr int most_units(int tokens) { return (tokens + 2 * unit_tokens - 2) / unit_tokens; }

}  // namespace qoq::attention
