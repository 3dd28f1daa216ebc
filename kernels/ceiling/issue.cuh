// ceiling/issue: one instruction of the CUDA cores, or a 16-byte load of shared memory, and next to nothing else.
#pragma once
#include "kernels/ceiling/args.cuh"

namespace qoq::ceiling {

enum class Issued { Iadd3, Lop3, Imad, Prmt, Shf, Hfma2, Ffma, Lds };

constexpr int operations_per_trip = 256;  ///< of a thread; the loop's own instructions are 1 % beside them
constexpr int operand_threads = 128;      ///< threads with operands of their own; the next 128 have the same
constexpr u32 tile_loads = 32;            ///< 16-byte loads of a lane that go once through the tile in shared memory
constexpr u32 tile_bytes = tile_loads * 32 * 16;

/// x[AT] after one more operation. No result can be foreseen and none is the same when one is left out: sums and logic
/// take the neighbouring chain in, shifts are as far as the neighbour says, products are squares of what was (the
/// chaotic map x² + c). c: two words of the thread, for PRMT selectors that do not commute.
template <Issued OP, int CHAINS>
QOQ_DEVICE u32 advanced(const u32 (&x)[CHAINS], int at, int step, const u32 (&c)[2]) {
  const u32 mine = x[at], next = x[(at + 1) % CHAINS];
  if constexpr (OP == Issued::Iadd3) return prim::add3(mine, next, c[0]);
  if constexpr (OP == Issued::Lop3) return prim::lop3<0x1e>(mine, next, c[0]);  // mine ^ (next | c)
  if constexpr (OP == Issued::Imad) return prim::imad(mine, c[0], c[1]);
  if constexpr (OP == Issued::Prmt) return prim::prmt(mine, c[1 - step % 2], c[step % 2]);
  if constexpr (OP == Issued::Shf) return prim::rotate_left(mine, next);
  if constexpr (OP == Issued::Hfma2) return prim::fma_half2(mine, mine, c[0]);
  if constexpr (OP == Issued::Ffma)
    return prim::as_bits(prim::fma(prim::as_float(mine), prim::as_float(mine), prim::as_float(c[0])));
  return mine;
}

/// CHAINS independent chains of a thread, in turns; it leaves a word that depends on all of them.
template <Issued OP, int THREADS, int CHAINS>
QOQ_DEVICE void issue(const CeilingArgs& args) {
  const u32* from = reinterpret_cast<const u32*>(args.from) + prim::thread_index() % operand_threads;
  u32 x[CHAINS], c[2];
  QOQ_UNROLL for (int i = 0; i < 2; ++i) c[i] = prim::load_readonly(from + i * operand_threads);
  QOQ_UNROLL for (int i = 0; i < CHAINS; ++i) x[i] = prim::load_readonly(from + (2 + i) * operand_threads);
  QOQ_NO_UNROLL for (u32 trip = args.count; trip > 0; --trip) {
    QOQ_UNROLL for (int step = 0; step < operations_per_trip / CHAINS; ++step) {
      QOQ_UNROLL for (int i = 0; i < CHAINS; ++i) x[i] = advanced<OP>(x, i, step, c);
    }
  }
  u32 word = 0;
  QOQ_UNROLL for (int i = 0; i < CHAINS; ++i) word = word * 31 + x[i];
  leave_word<THREADS>(args.to, word);
}

/// Every warp goes through the same tile again and again, 512 bytes in one piece a load: no bank conflict. A thread
/// leaves the sum of what it saw.
template <int THREADS, int CHAINS>
QOQ_DEVICE void read_shared(const CeilingArgs& args) {
  const u32 thread = prim::thread_index();
  for (u32 at = thread; at < tile_bytes / 16; at += THREADS) {
    prim::store_shared_u32x4(prim::shared_base() + at * 16, prim::load_readonly(args.from + at));
  }
  prim::sync_threads();
  u32 lane = thread % 32;
  u32 sum[CHAINS] = {};
  QOQ_NO_UNROLL for (u32 trip = args.count; trip > 0; --trip) {
    QOQ_UNROLL for (u32 pass = 0; pass < operations_per_trip / tile_loads; ++pass) {
      QOQ_UNROLL for (u32 i = 0; i < tile_loads; ++i) {
        const u32x4 v = prim::load_shared_u32x4(prim::shared_base() + lane * 16 + i * 512);
        sum[i % CHAINS] = prim::add3(prim::add3(sum[i % CHAINS], v.x, v.y), v.z, v.w);
      }
      lane = (lane + 1) % 32;  // else the next pass would load the same words again: ptxas spares the loads
    }
  }
  u32 word = 0;
  QOQ_UNROLL for (int i = 0; i < CHAINS; ++i) word = word * 31 + sum[i];
  leave_word<THREADS>(args.to, word);
}

}  // namespace qoq::ceiling
