// The load phase: global memory to shared memory by 16-byte asynchronous copies.
#pragma once
#include "kernels/gemm/mma/place.cuh"
#include "kernels/tile/swizzle.cuh"

namespace qoq::gemm {

/// A thread's share of every tile: where its chunks come from, advancing along K, and where they go in a buffer.
///
/// Rows of A beyond M repeat row M − 1: they are never stored, and a warp's lanes on one row share its sectors. Weights
/// beyond N or K (ragged_n, ragged_k) are not read but become zero, as do activations beyond K.
template <MmaConfig C>
struct Loader {
  static constexpr int rounds(int bytes) { return (bytes / 16 + C.threads() - 1) / C.threads(); }
  static constexpr int a_rounds = rounds(C.a_bytes()), w_rounds = rounds(C.w_bytes());
  static constexpr int row_chunks = C.row_bytes() / 16;                           // of a row of A, and of int8 weights
  static constexpr int chunk_k = 128 / C.a_bits();                                // elements of such a chunk
  static constexpr int strip_chunks = C.packed4() ? C.block_k : 32 * row_chunks;  // of 32 columns of weights
  static constexpr int metadata_chunks = C.group_bytes() / 16;
  static constexpr int column_chunks = C.column_bytes() * C.block_n / 16;  // among those
  static_assert(metadata_chunks <= C.threads());

  const unsigned char* a;  ///< of the first round; the others lie a fixed offset further
  const unsigned char* w;
  i32 a_offset[a_rounds], w_offset[w_rounds];
  const unsigned char* metadata;
  u32 a_to[a_rounds], w_to[w_rounds];
  i64 group_stride;
  int thread, k, k0;  ///< k0: where the next tile begins
  int columns;        ///< of weights from n0 on
  bool metadata_inside;

  QOQ_DEVICE Loader(const MmaArgs& args, const Place& at)
      : thread(at.thread), k(args.k), k0(at.first_tile * C.block_k), columns(args.n - at.n0) {
    QOQ_UNROLL for (int round = 0; round < a_rounds; ++round) {
      const int row = chunk(round) / row_chunks, column = chunk(round) % row_chunks;
      const int m = at.m0 + row < args.m ? at.m0 + row : args.m - 1;
      const i64 from = (static_cast<i64>(m) * k + k0) * C.a_bits() / 8 + column * 16;
      if (round == 0) a = args.a + from;
      a_offset[round] = static_cast<i32>(args.a + from - a);
      a_to[round] = tile::swizzled<C.row_bytes()>(row, column);
    }
    QOQ_UNROLL for (int round = 0; round < w_rounds; ++round) {
      if constexpr (C.packed4()) {  // strips of 32 columns, each block_k / 32 blocks of 512 bytes one after the other
        const int strip = chunk(round) / strip_chunks;
        const i64 from = (static_cast<i64>(at.n0 / 32 + strip) * k + k0 + chunk(round) % strip_chunks) * 16;
        if (round == 0) w = args.w + from;
        w_offset[round] = static_cast<i32>(args.w + from - w);
        w_to[round] = chunk(round) * 16;
      } else {
        const int row = chunk(round) / row_chunks, column = chunk(round) % row_chunks;
        const i64 from = static_cast<i64>(at.n0 + row) * k + k0 + column * 16;
        if (round == 0) w = args.w + from;
        w_offset[round] = static_cast<i32>(args.w + from - w);
        w_to[round] = tile::swizzled<C.block_k>(row, column);
      }
    }
    if constexpr (C.grouped()) find_metadata(args, at);
  }

  QOQ_DEVICE int chunk(int round) const { return round * C.threads() + thread; }

  QOQ_DEVICE void find_metadata(const MmaArgs& args, const Place& at) {
    const i64 group = k0 / group_size;
    if (C.token_bytes() > 0 && thread >= column_chunks) {  // scales of rows, eight a chunk
      const int rows = (args.m + 15) / 16 * 16, first = at.m0 + (thread - column_chunks) * 8;
      group_stride = static_cast<i64>(rows) * 2;
      metadata = reinterpret_cast<const unsigned char*>(args.token_scales) + group * group_stride + first * 2;
      metadata_inside = first < rows;
    } else if constexpr (C.layout == Layout::Fragment) {  // a strip of 32 columns after the other
      group_stride = static_cast<i64>(args.n) * C.column_bytes();
      metadata = args.metadata + group * group_stride + at.n0 * C.column_bytes() + thread * 16;
      metadata_inside = thread * 16 / (32 * C.column_bytes()) * 32 < columns;
    } else {  // a row of scales, then a row of zeros
      const bool zeros = thread >= metadata_chunks / 2;
      const int column = (zeros ? thread - metadata_chunks / 2 : thread) * 16;
      group_stride = args.n;
      metadata = (zeros ? args.zeros : args.metadata) + group * group_stride + at.n0 + column;
      metadata_inside = column < columns;
    }
  }

  QOQ_DEVICE void load_activations(u32 to) {
    QOQ_UNROLL for (int round = 0; round < a_rounds; ++round) {
      if (C.a_bytes() / 16 % C.threads() == 0 || chunk(round) < C.a_bytes() / 16) {
        const bool inside = !C.ragged_k || k0 + chunk(round) % row_chunks * chunk_k < k;
        prim::cp_async_16(to + a_to[round], a + a_offset[round], inside);
      }
    }
    a += C.row_bytes();
  }

  QOQ_DEVICE void load_weights(u32 to) {
    QOQ_UNROLL for (int round = 0; round < w_rounds; ++round) {
      if (C.w_bytes() / 16 % C.threads() == 0 || chunk(round) < C.w_bytes() / 16) {
        bool inside = true;
        if constexpr (C.packed4()) {  // a block begins at a multiple of 32, and so does the end
          if constexpr (C.ragged_n) inside = chunk(round) / strip_chunks * 32 < columns;
          if constexpr (C.ragged_k) inside = inside && k0 + chunk(round) % strip_chunks < k;
        } else {
          if constexpr (C.ragged_n) inside = chunk(round) / row_chunks < columns;
          if constexpr (C.ragged_k) inside = inside && k0 + chunk(round) % row_chunks * 16 < k;
        }
        prim::cp_async_16(to + w_to[round], w + w_offset[round], inside);
      }
    }
    w += C.packed4() ? C.block_k * 16 : C.block_k;
  }

  /// Scales and zeros of the groups that begin with this tile: once per group, however many tiles the group spans.
  QOQ_DEVICE void load_metadata(u32 to) {
    QOQ_UNROLL for (int group = 0; group < C.groups_per_tile(); ++group) {
      if (metadata_chunks == C.threads() || thread < metadata_chunks) {
        const bool inside =
            (!(C.ragged_n || C.token_bytes() > 0) || metadata_inside) && (!C.ragged_k || k0 + group * group_size < k);
        prim::cp_async_16(to + group * C.group_bytes() + thread * 16, metadata, inside);
      }
      metadata += group_stride;
    }
  }
};

}  // namespace qoq::gemm
