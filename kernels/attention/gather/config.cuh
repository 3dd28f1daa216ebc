// One point of attention/gather as a structural type.
#pragma once
#include "kernels/attention/append/config.cuh"

namespace qoq::attention {

struct GatherConfig {
  PageForm form;
  Element element;  ///< of the gathered keys and values; a kv16 cache's own
  int warps;
  int tokens;  ///< a CTA's, of one head: a multiple of 16 · warps

  constexpr int threads() const { return 32 * warps; }
  constexpr int units_per_warp() const { return tokens / unit_tokens / warps; }
  /// A unit's rows in shared memory on their way out of fragments; padded by 16 bytes.
  constexpr int tile_stride() const { return 2 * form.head_dim + 16; }
  constexpr int tile_bytes() const { return form.layout == Layout::Fragment ? unit_tokens * tile_stride() : 0; }
  constexpr int shared_bytes() const { return warps * tile_bytes(); }
};

/// Starts and page ids are trusted: whoever launches has checked them.
struct GatherArgs {
  const u8* k_pool;
  const u8* v_pool;
  const i32* starts;  ///< [batch + 1] each sequence's first row in the outputs, then the number of rows
  const i32* table;   ///< [batch][width] page ids
  u8* k;              ///< [row][heads][Dh] 16-bit floats
  u8* v;              ///< likewise
  int heads, width;
  int blocks;  ///< CTAs along the longest sequence
};

}  // namespace qoq::attention
