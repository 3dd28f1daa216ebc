// attention/decode: attention of a few new tokens over a paged KV cache of 4, 8 or 16 bits, on mma.sync m16n8k16, sm_80
// and up (QServe paper, section 5.3).
//
// A CTA owns the rows (query heads × new tokens) that share one KV head of one sequence, so that every code is read and
// dequantised once for all of them, and a split of the sequence. Its warps take the split's tiles of tokens in turn:
//
//   sequence │ tile 0 │ tile 1 │ tile 2 │ tile 3 │ tile 4 │ …
//   warp          0        1        2        3        0
//
// Each warp has a ring of its own in shared memory, its own maxima, sums and outputs: there is no barrier of the CTA
// until the end, where the warps are put together. Nothing in shared memory grows with the context.
#pragma once
#include "kernels/attention/decode/merge.cuh"

namespace qoq::attention {

/// A pair of 16-bit queries as the tensor cores take it. A bf16 query against codes is rounded to fp16 (exact but for
/// the smallest, and beyond 65,504).
template <DecodeConfig C>
QOQ_DEVICE u32 query_pair(u32 bits) {
  if constexpr (C.element == Element::F16 || C.bfloat_mma()) return bits;
  return prim::pack_half2(prim::to_float(bfloat{static_cast<u16>(bits)}),
                          prim::to_float(bfloat{static_cast<u16>(bits >> 16)}));
}

/// Slots 0, 1 and 2, 3 of one k-step of a query.
template <DecodeConfig C>
QOQ_DEVICE void load_query(const u16* from, i32 j, i32 t, u32 (&pairs)[2]) {
  if constexpr (C.layout == Layout::Fragment || !C.quantized()) {  // side by side
    const u32x2 both = prim::load_readonly(reinterpret_cast<const u32x2*>(from + channel<C>(j, t, 0)));
    pairs[0] = query_pair<C>(both.x);
    pairs[1] = query_pair<C>(both.y);
  } else {
    QOQ_UNROLL for (int i = 0; i < 2; ++i) {
      const u32 low = prim::load_readonly(from + channel<C>(j, t, 2 * i));
      const u32 high = prim::load_readonly(from + channel<C>(j, t, 2 * i + 1));
      pairs[i] = query_pair<C>(low | high << 16);
    }
  }
}

/// Loads two row slots' queries as fragments, and sums them over the channels. Rows that do not exist are zero.
template <DecodeConfig C>
QOQ_DEVICE void load_queries(const DecodeArgs& args, const Place& at, Rows<C>& rows) {
  using L = Lane<C>;
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
    QOQ_UNROLL for (int slot = 0; slot < (L::tokens_on_m ? 1 : 2); ++slot) {
      const i32 row = r * C.tile_rows() + at.g + 8 * slot;
      const u16* from = args.q + query_place(args, at, row) * C.head_dim;
      float sum = 0;
      QOQ_UNROLL for (int j = 0; j < C.steps(); ++j) {
        u32 pairs[2] = {0, 0};
        if (row < at.rows) load_query<C>(from, j, at.t, pairs);
        QOQ_UNROLL for (int i = 0; i < 2; ++i) {
          rows.q[r][j][L::tokens_on_m ? i : 2 * i + slot] = pairs[i];
          if constexpr (C.quantized()) sum += low_half(pairs[i]) + high_half(pairs[i]);
        }
      }
      if constexpr (C.quantized()) {
        QOQ_UNROLL for (u32 mask = 1; mask < 4; mask *= 2) sum +=
            prim::as_float(prim::shuffle_xor(prim::as_bits(sum), mask));
        rows.sum[r][slot] = sum * 0x1p-24f;
      }
    }
    if constexpr (C.quantized() && L::tokens_on_m) {  // the lanes of row g have it; rows 2t and 2t + 1 want it
      const u32 mine = prim::as_bits(rows.sum[r][0]);
      QOQ_UNROLL for (int i = 0; i < 2; ++i) rows.sum[r][i] =
          prim::as_float(prim::shuffle(mine, static_cast<u32>(8 * at.t + 4 * i)));
    }
  }
}

template <DecodeConfig C>
QOQ_DEVICE void start_rows(Rows<C>& rows) {
  QOQ_UNROLL for (int r = 0; r < C.row_tiles; ++r) {
    QOQ_UNROLL for (int slot = 0; slot < 2; ++slot) {
      rows.maximum[r][slot] = minus_infinity();
      rows.total[r][slot] = 0;
      rows.zeros[r][slot] = 0;
    }
    QOQ_UNROLL for (int quad = 0; quad < Lane<C>::quads; ++quad) QOQ_UNROLL for (int i = 0; i < 4; ++i)
        rows.out[r][quad][i] = 0;
  }
}

/// A warp's pipeline over the split's tiles, every C.warps-th of them. The tiles that every row sees whole come first,
/// then those after them, then those before (a window's): the order of tokens is of no matter to a softmax.
template <DecodeConfig C>
struct Pipeline {
  static constexpr int ahead = C.stages - 1;
  Loader<C> loader;
  u32 ring;
  i32 first_full, last, count;
  i32 next;  ///< position of the tile to be loaded next
  u32 load_stage = 0, stage = 0;

  QOQ_DEVICE Pipeline(const DecodeArgs& args, const Place& at, const PageIds& first_pages, u32 shared)
      : loader(args, at, first_pages),
        ring(shared + static_cast<u32>(at.warp * C.warp_bytes())),
        first_full(at.first_full),
        last(at.last_tile),
        count(at.last_tile - at.first_tile),
        next(at.warp) {
    QOQ_NO_UNROLL for (int i = 0; i < ahead; ++i) load_next();
  }

  QOQ_DEVICE static u32 following(u32 at) { return at + 1 == C.stages ? 0 : at + 1; }
  QOQ_DEVICE i32 tile(i32 position) const {
    const i32 tile = first_full + position;
    return tile < last ? tile : tile - count;
  }
  QOQ_DEVICE void load_next() {
    if (next < count) loader.load_tile({ring + load_stage * C.stage_bytes()}, static_cast<u32>(tile(next)));
    prim::cp_async_commit();  // a group a tile, even an empty one: the waits count them
    next += C.warps;
    load_stage = following(load_stage);
  }
  /// Waits for the next tile and starts loading a later one.
  QOQ_DEVICE Stage<C> take() {
    prim::cp_async_wait<ahead - 1>();  // this lane's copies of the tile have landed
    prim::sync_warp();                 // every lane's have, and nobody reads the stage that is filled next
    load_next();
    const Stage<C> taken{ring + stage * C.stage_bytes()};
    stage = following(stage);
    return taken;
  }
};

/// The pipeline's next tile. MASKED: some row does not see all of it.
template <DecodeConfig C, bool MASKED>
QOQ_DEVICE void attend_next(const DecodeArgs& args, const Place& at, Pipeline<C>& pipeline, i32 position,
                            Rows<C>& rows) {
  const Stage<C> stage = pipeline.take();
  attend<C, MASKED>(args, stage, at, pipeline.tile(position) * C.tile, rows);
}

template <DecodeConfig C>
QOQ_DEVICE void decode_attention(const DecodeArgs& args) {
  static_assert(illegal(C) == Illegal::No);
  const i32 sequence = static_cast<i32>(prim::block_index_z());
  const PageIds first_pages = read_first_pages(args, sequence);
  const Place at =
      locate<C>(args, static_cast<i32>(prim::block_index_x()), static_cast<i32>(prim::block_index_y()), sequence);
  if (at.split >= at.splits) return;
  const u32 shared = prim::shared_base();
  Pipeline<C> pipeline(args, at, first_pages, shared);
  Rows<C> rows;
  load_queries<C>(args, at, rows);
  start_rows<C>(rows);

  i32 position = at.warp;
  QOQ_NO_UNROLL for (; position < at.full; position += C.warps)
      attend_next<C, false>(args, at, pipeline, position, rows);
  QOQ_NO_UNROLL for (; position < pipeline.count; position += C.warps)
      attend_next<C, true>(args, at, pipeline, position, rows);

  merge_warps<C>(args, at, shared, rows);
  if constexpr (C.split && C.merge == Merge::Kernel) {
    if (at.splits > 1) merge_when_last<C>(args, at, shared);
  }
}

/// The second kernel of Merge::Second: one CTA for each sequence, KV head and row block.
template <DecodeConfig C>
QOQ_DEVICE void merge_attention(const DecodeArgs& args) {
  const Place at = locate<C>(args, 0, static_cast<i32>(prim::block_index_y()), static_cast<i32>(prim::block_index_z()));
  if (at.splits > 1) merge_splits<C>(args, at);
}

}  // namespace qoq::attention
