// gemm/mma: W4A8 and W8A8 GEMM on mma.sync m16n8k32, sm_80 and up (QServe paper, section 5.2), and W4A16 and W4A4 to
// compare them with.
//
// A CTA owns a block_m × block_n tile of C and walks K in tiles of block_k through a ring of `stages` shared-memory
// buffers that cp.async fills `stages − 1` tiles ahead. Its warps form a grid of warp tiles, times K-slices:
//
//        block_n                 each warp, per 32 of K:
//   ┌──────┬──────┐              activations  ldmatrix.x4          → A fragments (16 rows each)
//   │ w0   │ w1   │ block_m      weights      one 16-byte load     → 4 packed B fragments (8 columns each)
//   ├──────┼──────┤                           dequantise in registers, then warp_m/16 × 4 MMAs a strip of 32 columns
//   │ w2   │ w3   │              With one warp along M every weight is dequantised once.
//   └──────┴──────┘
#pragma once
#include "kernels/gemm/mma/load.cuh"
#include "kernels/gemm/mma/reduce.cuh"
#include "kernels/gemm/mma/store.cuh"
#include "kernels/gemm/mma/w4a16.cuh"
#include "kernels/gemm/mma/w4a4.cuh"

namespace qoq::gemm {

/// A position in a ring of N buffers.
template <int N>
struct Ring {
  int at = 0;
  QOQ_DEVICE void advance() { at = at + 1 == N ? 0 : at + 1; }
};

/// Shared memory: `stages` buffers of activations, as many of weights, then the ring of group metadata.
template <MmaConfig C>
struct Buffers {
  u32 base;
  QOQ_DEVICE u32 activations(int stage) const { return base + stage * C.a_bytes(); }
  QOQ_DEVICE u32 weights(int stage) const { return base + C.stages * C.a_bytes() + stage * C.w_bytes(); }
  QOQ_DEVICE u32 metadata(int slot) const {
    return base + C.stages * (C.a_bytes() + C.w_bytes()) + slot * C.groups_per_tile() * C.group_bytes();
  }
};

/// Loads the next tile into its buffer, and the metadata of the group that begins with it.
template <MmaConfig C>
QOQ_DEVICE void load_tile(Loader<C>& loader, const Buffers<C>& buffers, bool tile_is_left, bool group_begins,
                          Ring<C.stages>& stage, Ring<C.group_slots()>& slot) {
  if (tile_is_left) {
    loader.load_activations(buffers.activations(stage.at));
    loader.load_weights(buffers.weights(stage.at));
    if (C.grouped() && group_begins) {
      loader.load_metadata(buffers.metadata(slot.at));
      slot.advance();
    }
    loader.k0 += C.block_k;
    stage.advance();
  }
  prim::cp_async_commit();  // a group a tile, even an empty one: the waits count them
}

template <MmaConfig C>
QOQ_DEVICE void mma_gemm(const MmaArgs& args) {
  static_assert(illegal(C) == Illegal::No);
  const Place at = locate<C>(args);
  const Buffers<C> buffers{prim::shared_base()};
  constexpr int ahead = C.stages - 1, per_trip = C.tiles_per_trip();

  Loader<C> loader(args, at);
  Accumulators<C> sum;
  Group<C> group;
  u32 unused = 0;
  Ring<C.stages> load_stage, stage;
  Ring<C.group_slots()> load_slot, slot;
  QOQ_NO_UNROLL for (int tile = 0; tile < ahead; ++tile) {
    load_tile<C>(loader, buffers, tile < at.tiles, tile % per_trip == 0, load_stage, load_slot);
  }
  QOQ_NO_UNROLL for (int trip = 0; trip < at.tiles; trip += per_trip) {
    QOQ_UNROLL for (int t = 0; t < per_trip; ++t) {
      prim::cp_async_wait<ahead - 1>();  // this thread's copies of the tile have landed
      prim::sync_threads();              // everyone's have, and nobody reads the buffer that is filled next
      load_tile<C>(loader, buffers, trip + t + ahead < at.tiles, (t + ahead) % per_trip == 0, load_stage, load_slot);
      multiply<C>(at, buffers.activations(stage.at), buffers.weights(stage.at), buffers.metadata(slot.at), t, group,
                  sum, unused);
      stage.advance();
    }
    slot.advance();
  }

  if constexpr (C.slices > 1) reduce_slices<C>(at, buffers.base, sum);
  if constexpr (C.split) {
    if (!reduce_splits<C>(args, at, buffers.base, sum)) return;
  }
  if (at.slice == 0) store_outputs<C>(args, at, sum);
  if (C.ablated && args.m < 0) prim::store_global(static_cast<u32*>(args.out), unused);  // never: keeps the loads
}

}  // namespace qoq::gemm
