// ceiling/read: 16-byte loads and next to nothing else. A CTA reads TRIPS pieces one after the other, a thread UNROLL
// loads of each, all in flight at once; each warp leaves the exclusive-or of what it saw.
#pragma once
#include "kernels/prim/prim.cuh"

namespace qoq::ceiling {

struct ReadArgs {
  const u32x4* from;  ///< CTAs · trips · unroll · threads vectors
  u32* out;           ///< [CTA][warp]
};

template <int THREADS, int UNROLL, int TRIPS>
QOQ_DEVICE void read_memory(const ReadArgs& args) {
  const u32 thread = prim::thread_index();
  const u32x4* from = args.from + static_cast<i64>(prim::block_index_x()) * (i64{THREADS} * UNROLL * TRIPS) + thread;
  u32 sum = 0;
  QOQ_NO_UNROLL for (int trip = 0; trip < TRIPS; ++trip) {
    u32x4 v[UNROLL];
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) v[i] = prim::load_readonly(from + i64{i} * THREADS);
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) sum ^= v[i].x ^ v[i].y ^ v[i].z ^ v[i].w;
    from += i64{UNROLL} * THREADS;
  }
  QOQ_UNROLL for (u32 mask = 1; mask < 32; mask *= 2) sum ^= prim::shuffle_xor(sum, mask);
  if (thread % 32 == 0) prim::store_global(args.out + (prim::block_index_x() * THREADS + thread) / 32, sum);
}

}  // namespace qoq::ceiling
