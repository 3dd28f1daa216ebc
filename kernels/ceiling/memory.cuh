// ceiling/read, ceiling/copy and ceiling/l2: 16-byte loads and next to nothing else. A CTA takes TRIPS pieces one after
// the other, a thread UNROLL loads of each, all in flight at once.
#pragma once
#include "kernels/ceiling/args.cuh"

namespace qoq::ceiling {

/// Where a CTA's piece begins, in vectors.
template <int THREADS, int UNROLL, int TRIPS>
QOQ_DEVICE i64 first_vector() {
  return static_cast<i64>(prim::block_index_x()) * (i64{THREADS} * UNROLL * TRIPS) + prim::thread_index();
}

QOQ_DEVICE u32 sum_of(const u32x4& v) { return v.x + v.y + v.z + v.w; }

/// Every vector is read once; each warp leaves the sum of the words it saw.
template <int THREADS, int UNROLL, int TRIPS>
QOQ_DEVICE void read_memory(const CeilingArgs& args) {
  const u32x4* from = args.from + first_vector<THREADS, UNROLL, TRIPS>();
  u32 sum = 0;
  QOQ_NO_UNROLL for (int trip = 0; trip < TRIPS; ++trip) {
    u32x4 v[UNROLL];
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) v[i] = prim::load_readonly(from + i64{i} * THREADS);
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) sum += sum_of(v[i]);
    from += i64{UNROLL} * THREADS;
  }
  leave_sum<THREADS>(args.to, sum);
}

/// Every vector is read once and written to the same place of `to`.
template <int THREADS, int UNROLL, int TRIPS>
QOQ_DEVICE void copy_memory(const CeilingArgs& args) {
  const i64 first = first_vector<THREADS, UNROLL, TRIPS>();
  const u32x4* from = args.from + first;
  u32x4* to = reinterpret_cast<u32x4*>(args.to) + first;
  QOQ_NO_UNROLL for (int trip = 0; trip < TRIPS; ++trip) {
    u32x4 v[UNROLL];
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) v[i] = prim::load_readonly(from + i64{i} * THREADS);
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) prim::store_global(to + i64{i} * THREADS, v[i]);
    from += i64{UNROLL} * THREADS;
    to += i64{UNROLL} * THREADS;
  }
}

/// The buffer's pieces are read again and again by whoever comes, past L1: `count` counts the buffer's pieces of
/// THREADS · UNROLL vectors, a power of two.
template <int THREADS, int UNROLL, int TRIPS>
QOQ_DEVICE void read_l2(const CeilingArgs& args) {
  const u32 last = args.count - 1;
  u32 piece = prim::block_index_x() * TRIPS;
  u32 sum = 0;
  QOQ_NO_UNROLL for (int trip = 0; trip < TRIPS; ++trip, ++piece) {
    const u32x4* from = args.from + (static_cast<i64>(piece & last) * (THREADS * UNROLL) + prim::thread_index());
    u32x4 v[UNROLL];
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) v[i] = prim::load_l2(from + i64{i} * THREADS);
    QOQ_UNROLL for (int i = 0; i < UNROLL; ++i) sum += sum_of(v[i]);
  }
  leave_sum<THREADS>(args.to, sum);
}

}  // namespace qoq::ceiling
