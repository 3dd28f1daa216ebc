// What every ceiling's kernel takes, and how a warp leaves one word.
#pragma once
#include "kernels/prim/prim.cuh"

namespace qoq::ceiling {

struct CeilingArgs {
  const u32x4* from;  ///< operands
  u32* to;            ///< results
  u32 count;          ///< issue, tensor: trips of a warp's main loop; l2: pieces of the buffer
};

/// The sum of a warp's words, left by its first lane at to[warp of the grid].
template <int THREADS>
QOQ_DEVICE void leave_sum(u32* to, u32 word) {
  QOQ_UNROLL for (u32 mask = 1; mask < 32; mask *= 2) word += prim::shuffle_xor(word, mask);
  const u32 thread = prim::thread_index();
  if (thread % 32 == 0) prim::store_global(to + (prim::block_index_x() * THREADS + thread) / 32, word);
}

/// A thread's word, left at to[thread of the grid].
template <int THREADS>
QOQ_DEVICE void leave_word(u32* to, u32 word) {
  prim::store_global(to + (prim::block_index_x() * THREADS + prim::thread_index()), word);
}

}  // namespace qoq::ceiling
