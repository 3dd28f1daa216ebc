// ceiling/tensor: matrix instructions on operands that stay where they are. A warp's ROWS × COLUMNS products, or a
// warpgroup's one of N columns, are added up trip after trip.
#pragma once
#include "kernels/ceiling/args.cuh"

namespace qoq::ceiling {

constexpr int mmas_per_trip = 128;      ///< of a warp
constexpr int columns_per_trip = 2048;  ///< of a warpgroup's wgmmas, N columns each
constexpr int k_steps = 4;              ///< of 32, one after the other, that wgmma takes its operands from

/// Words of one lane in a fragment, word by word for the 32 lanes of a warp.
template <int WORDS>
QOQ_DEVICE void load_fragment(u32 (&words)[WORDS], const u32* from) {
  QOQ_UNROLL for (int i = 0; i < WORDS; ++i) words[i] = prim::load_readonly(from + i * 32 + prim::thread_index() % 32);
}

QOQ_DEVICE u32 as_word(i32 value) { return static_cast<u32>(value); }
QOQ_DEVICE u32 as_word(float value) { return prim::as_bits(value); }

QOQ_DEVICE void multiply(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { prim::mma_s8s8(d, a, b); }
QOQ_DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { prim::mma_f16(d, a, b); }

/// mma.sync with accumulators of type D. `from`: the fragments of a, then those of b; all warps have the same.
template <class D, int THREADS, int ROWS, int COLUMNS>
QOQ_DEVICE void multiply_mma(const CeilingArgs& args) {
  const u32* from = reinterpret_cast<const u32*>(args.from);
  u32 a[ROWS][4], b[COLUMNS][2];
  D d[ROWS][COLUMNS][4] = {};
  QOQ_UNROLL for (int i = 0; i < ROWS; ++i) load_fragment(a[i], from + i * 128);
  QOQ_UNROLL for (int j = 0; j < COLUMNS; ++j) load_fragment(b[j], from + ROWS * 128 + j * 64);
  QOQ_NO_UNROLL for (u32 trip = args.count; trip > 0; --trip) {
    QOQ_UNROLL for (int step = 0; step < mmas_per_trip / (ROWS * COLUMNS); ++step) {
      QOQ_UNROLL for (int j = 0; j < COLUMNS; ++j) {
        QOQ_UNROLL for (int i = 0; i < ROWS; ++i) multiply(d[i][j], a[i], b[j]);
      }
    }
  }
  u32 word = 0;
  QOQ_UNROLL for (int i = 0; i < ROWS; ++i) {
    QOQ_UNROLL for (int j = 0; j < COLUMNS; ++j) {
      QOQ_UNROLL for (int e = 0; e < 4; ++e) word = word * 31 + as_word(d[i][j][e]);
    }
  }
  leave_word<THREADS>(args.to, word);
}

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

/// wgmma, a in registers, b in shared memory: N rows of 128 bytes of k, swizzled as the descriptor says. `from`: a's
/// fragments by k step (all warps have the same), then b as it lies in shared memory.
template <int THREADS, int N>
QOQ_DEVICE void multiply_wgmma(const CeilingArgs& args) {
  const u32 thread = prim::thread_index(), tile = prim::shared_base();
  u32 a[k_steps][4];
  QOQ_UNROLL for (int k = 0; k < k_steps; ++k) load_fragment(a[k], reinterpret_cast<const u32*>(args.from) + k * 128);
  for (u32 at = thread; at < N * 8; at += THREADS)
    prim::store_shared_u32x4(tile + at * 16, prim::load_readonly(args.from + k_steps * 32 + at));
  prim::fence_proxy_async();
  prim::sync_threads();
  i32 d[N / 2] = {};
  QOQ_NO_UNROLL for (u32 trip = args.count; trip > 0; --trip) {
    prim::pin_registers(d);
    prim::wgmma_fence();
    QOQ_UNROLL for (int i = 0; i < columns_per_trip / N; ++i) {
      prim::wgmma_s8s8(d, a[i % k_steps], prim::wgmma_descriptor_swizzled(tile + i % k_steps * 32, 1024));
    }
    prim::wgmma_commit();
    prim::wgmma_wait<0>();
    prim::pin_registers(d);
  }
  u32 word = 0;
  QOQ_UNROLL for (int e = 0; e < N / 2; ++e) word = word * 31 + as_word(d[e]);
  leave_word<THREADS>(args.to, word);
}

#endif

}  // namespace qoq::ceiling
