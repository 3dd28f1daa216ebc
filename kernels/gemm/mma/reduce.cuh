// Summing the parts of K that different warps (slices) and different CTAs (splits) have multiplied. int32 addition is
// exact, so the result does not depend on who arrives when; fp32 sums are added in the order of the splits, whoever
// arrives last.
#pragma once
#include "kernels/gemm/mma/compute.cuh"

namespace qoq::gemm {

/// Calls body(values, index) for each of the thread's accumulator quads.
template <MmaConfig C, class Body>
QOQ_DEVICE void for_each_quad(Accumulators<C>& sum, Body body) {
  using A = Accumulators<C>;
  QOQ_UNROLL for (int s = 0; s < A::strips; ++s) QOQ_UNROLL for (int r = 0; r < A::rows; ++r)
      QOQ_UNROLL for (int j = 0; j < 4; ++j) body(sum.at[s][r][j], (s * A::rows + r) * 4 + j);
}

QOQ_DEVICE u32x4 as_words(const float (&v)[4]) {
  return {prim::as_bits(v[0]), prim::as_bits(v[1]), prim::as_bits(v[2]), prim::as_bits(v[3])};
}
QOQ_DEVICE void add_words(float (&v)[4], u32x4 w) {
  v[0] = v[0] + prim::as_float(w.x);
  v[1] = v[1] + prim::as_float(w.y);
  v[2] = v[2] + prim::as_float(w.z);
  v[3] = v[3] + prim::as_float(w.w);
}
QOQ_DEVICE u32x4 as_words(const i32 (&v)[4]) {
  return {static_cast<u32>(v[0]), static_cast<u32>(v[1]), static_cast<u32>(v[2]), static_cast<u32>(v[3])};
}
QOQ_DEVICE void add_words(i32 (&v)[4], u32x4 w) {
  v[0] += static_cast<i32>(w.x);
  v[1] += static_cast<i32>(w.y);
  v[2] += static_cast<i32>(w.z);
  v[3] += static_cast<i32>(w.w);
}

/// Adds the slices' sums into slice 0 through shared memory, which the pipeline has done with.
template <MmaConfig C>
QOQ_DEVICE void reduce_slices(const Place& at, u32 shared, Accumulators<C>& sum) {
  constexpr u32 quads = C.accumulators() / 4;
  const u32 mine = at.warp_in_slice * quads * 512 + at.lane * 16;
  constexpr u32 slice_bytes = C.slice_warps() * quads * 512;
  prim::sync_threads();  // every warp has read its last tile
  if (at.slice > 0) {
    for_each_quad<C>(sum, [&](auto& v, int quad) {
      prim::store_shared_u32x4(shared + (at.slice - 1) * slice_bytes + mine + quad * 512, as_words(v));
    });
  }
  prim::sync_threads();  // the slices' sums are written
  if (at.slice == 0) {
    QOQ_UNROLL for (int slice = 1; slice < C.slices; ++slice) for_each_quad<C>(sum, [&](auto& v, int quad) {
      add_words(v, prim::load_shared_u32x4(shared + (slice - 1) * slice_bytes + mine + quad * 512));
    });
  }
}

/// Adds the other splits' sums into the CTA that arrives last at the tile; the others are done. Returns whether this
/// is the one. Leaves the arrival count zero for the next launch.
template <MmaConfig C>
QOQ_DEVICE bool reduce_splits(const MmaArgs& args, const Place& at, u32 shared, Accumulators<C>& sum) {
  constexpr int quads = C.accumulators() / 4, threads = C.slice_warps() * 32;
  const auto part = [&](int split, int quad) {
    return args.partials + ((static_cast<i64>(at.tile) * args.splits + split) * quads + quad) * threads + at.thread;
  };
  if (at.slice == 0) {
    for_each_quad<C>(sum, [&](auto& v, int quad) { prim::store_global(part(at.split, quad), as_words(v)); });
  }
  prim::sync_threads();  // all of this CTA's sums are written before it is counted as arrived
  if (at.thread == 0) {
    const bool last = prim::atomic_add_acq_rel(args.arrivals + at.tile, 1) == args.splits - 1;
    if (last) prim::store_global(args.arrivals + at.tile, 0);
    prim::store_shared_u32(shared, last);
  }
  prim::sync_threads();  // everyone knows, and sees what the others published
  if (prim::load_shared_u32(shared) == 0) return false;
  if (at.slice == 0) {
    constexpr bool in_order = C.float_sums();
    if constexpr (in_order) sum = {};
    QOQ_NO_UNROLL for (int split = 0; split < args.splits; ++split) {
      if (!in_order && split == at.split) continue;
      for_each_quad<C>(sum, [&](auto& v, int quad) { add_words(v, prim::load_global(part(split, quad))); });
    }
  }
  return true;
}

}  // namespace qoq::gemm
