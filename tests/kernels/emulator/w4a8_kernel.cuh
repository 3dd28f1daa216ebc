// A small W4A8 product on Hopper's machinery: weights dequantised into the registers of a wgmma's A, tokens its B, both
// brought by bulk copies through a ring of three stages. One warpgroup computes, the first lane of a fifth warp loads.
// Each Bug leaves one piece of synchronisation out, or does it wrongly; Bug::None is the kernel.
#pragma once
#include "kernels/prim/prim.cuh"

namespace qoq::tests {

using namespace qoq::prim;

struct W4a8Args {
  const u8* w;  // u4 [k / 64][128 threads][16 bytes]: word j is register j of A, low nibbles k < 32, high ones k ≥ 32
  const u8* x;  // s8 [k / 64][4 chunks of 16 k][32 tokens][16 bytes]: core matrices
  i32* out;     // [64][32]
  u32 tiles;    // k / 64, even
};

enum class Bug {
  None,
  NoFullWait,    // the consumers do not wait for a stage's bytes
  OneLaneWaits,  // one lane of each warp does, and nothing orders the others behind it
  WrongFullParity,
  NoEmptyWait,  // the producer refills at once
  WrongEmptyParity,
  NoInitFence,
  NoInitBarrier,
  ExpectTooFew,  // one of the two copies is not counted
  ExpectTooMany,
  ExpectNone,
  NoWarpSync,       // one lane arrives for a warp whose other lanes may still read
  OneWarpReleases,  // one arrival frees a stage that four warps read
  ReleaseTooEarly,  // a stage is freed while its wgmmas may still read it
  CountTooHigh,
  NoWgmmaFence,
  NoCommit,
  WaitTooFew,         // two groups may be unfinished: A's registers are written under one
  OneSetOfRegisters,  // A's registers are written while the last wgmmas read them
  NoLastWait,
  StoresUnfenced,   // the first tile of X comes by ordinary stores, not fenced
  StoresUnordered,  // fenced, but nobody waits for them
  WarpStaysAway,    // one warp leaves the last tile out
};
constexpr u32 bugs = 23;

constexpr u32 w4a8_tokens = 32;
constexpr u32 w4a8_threads = 160;
constexpr u32 w4a8_stages = 3;
constexpr u32 w_bytes = 64 * 64 / 2;
constexpr u32 x_bytes = w4a8_tokens * 64;
constexpr u32 w4a8_stage_bytes = w_bytes + x_bytes;
constexpr u32 w4a8_shared_bytes = w4a8_stages * (w4a8_stage_bytes + 16);

QOQ_DEVICE u32 w_stage(u32 stage) { return shared_base() + stage * w4a8_stage_bytes; }
QOQ_DEVICE u32 x_stage(u32 stage) { return w_stage(stage) + w_bytes; }
QOQ_DEVICE u32 full_barrier(u32 stage) { return shared_base() + w4a8_stages * w4a8_stage_bytes + stage * 16; }
QOQ_DEVICE u32 empty_barrier(u32 stage) { return full_barrier(stage) + 8; }

/// Even turns of a stage have parity 0.
QOQ_DEVICE u32 parity(u32 tile) { return tile / w4a8_stages % 2; }

template <Bug bug>
QOQ_DEVICE void prepare_ring() {
  if (thread_index() == 0) {
    for (u32 stage = 0; stage < w4a8_stages; ++stage) {
      mbarrier_init(full_barrier(stage), 1);
      mbarrier_init(empty_barrier(stage), bug == Bug::OneWarpReleases ? 1 : bug == Bug::CountTooHigh ? 5 : 4);
    }
    if (bug != Bug::NoInitFence) fence_mbarrier_init();
  }
  if (bug != Bug::NoInitBarrier) sync_threads();
}

template <Bug bug>
QOQ_DEVICE void load_tiles(const W4a8Args& args) {
  constexpr bool stores = bug == Bug::StoresUnfenced || bug == Bug::StoresUnordered;
  for (u32 tile = 0; tile < args.tiles; ++tile) {
    const u32 stage = tile % w4a8_stages;
    // A fresh barrier counts as having completed an odd phase: the first turn does not wait.
    if (bug != Bug::NoEmptyWait)
      mbarrier_wait(empty_barrier(stage), parity(tile) ^ (bug == Bug::WrongEmptyParity ? 0 : 1));
    if (stores && tile == 0) {
      if (bug == Bug::StoresUnordered) {
        mbarrier_arrive_expect_tx(full_barrier(stage), w_bytes);
        cp_async_bulk(w_stage(stage), args.w, w_bytes, full_barrier(stage));
      }
      for (u32 i = 0; i < x_bytes; i += 4) {
        store_shared_u32(x_stage(stage) + i, load_global(reinterpret_cast<const u32*>(args.x + i)));
      }
      if (bug == Bug::StoresUnordered) {
        fence_proxy_async();
      } else {
        mbarrier_arrive_expect_tx(full_barrier(stage), w_bytes);
        cp_async_bulk(w_stage(stage), args.w, w_bytes, full_barrier(stage));
      }
      continue;
    }
    if (bug == Bug::ExpectNone) {
      mbarrier_arrive(full_barrier(stage));
    } else {
      mbarrier_arrive_expect_tx(full_barrier(stage), bug == Bug::ExpectTooFew    ? w_bytes
                                                     : bug == Bug::ExpectTooMany ? w4a8_stage_bytes + 16
                                                                                 : w4a8_stage_bytes);
    }
    cp_async_bulk(w_stage(stage), args.w + static_cast<u64>(tile) * w_bytes, w_bytes, full_barrier(stage));
    cp_async_bulk(x_stage(stage), args.x + static_cast<u64>(tile) * x_bytes, x_bytes, full_barrier(stage));
  }
}

/// (q · 3 − 20) of each nibble.
QOQ_DEVICE u32 dequantise_w4a8(u32 nibbles) { return imad(nibbles, 3, 0x6c6c6c6cu) ^ 0x80808080u; }

template <Bug bug>
QOQ_DEVICE void release(u32 tile) {
  if (bug != Bug::NoWarpSync) sync_warp();
  if (bug == Bug::OneWarpReleases && thread_index() >= 32) return;
  if (thread_index() % 32 == 0) mbarrier_arrive(empty_barrier(tile % w4a8_stages));
}

/// One tile: its wgmmas are issued; those of the tile before have landed at the end. `a` was last used two tiles ago.
template <Bug bug>
QOQ_DEVICE void compute_tile(u32 tile, u32 (&a)[2][4], i32 (&d)[w4a8_tokens / 2]) {
  const u32 stage = tile % w4a8_stages;
  const bool waits = bug == Bug::OneLaneWaits ? thread_index() % 32 == 0 : bug != Bug::NoFullWait;
  if (waits) mbarrier_wait(full_barrier(stage), parity(tile) ^ (bug == Bug::WrongFullParity ? 1 : 0));
  const u32x4 words = load_shared_u32x4(w_stage(stage) + thread_index() % 128 * 16);
  const u32 w[4] = {words.x, words.y, words.z, words.w};
  QOQ_UNROLL for (u32 j = 0; j < 4; ++j) {
    a[0][j] = dequantise_w4a8(w[j] & 0x0f0f0f0fu);
    a[1][j] = dequantise_w4a8(w[j] >> 4 & 0x0f0f0f0fu);
  }
  if (bug != Bug::NoWgmmaFence) wgmma_fence();
  QOQ_UNROLL for (u32 step = 0; step < 2; ++step) {
    const u32 b = x_stage(stage) + step * 2 * w4a8_tokens * 16;
    wgmma_s8s8(d, a[step], wgmma_descriptor(b, w4a8_tokens * 16, 128), tile != 0 || step != 0);
  }
  if (bug != Bug::NoCommit) wgmma_commit();
  if (bug == Bug::ReleaseTooEarly) release<bug>(tile);
  wgmma_wait<bug == Bug::WaitTooFew ? 2 : 1>();
  if (bug != Bug::ReleaseTooEarly && tile > 0) release<bug>(tile - 1);
}

template <Bug bug>
QOQ_DEVICE void compute_tiles(const W4a8Args& args) {
  u32 a[2][2][4];
  i32 d[w4a8_tokens / 2];
  QOQ_NO_UNROLL for (u32 tile = 0; tile < args.tiles; tile += 2) {
    if (bug == Bug::WarpStaysAway && tile + 2 == args.tiles && thread_index() >= 96) break;
    compute_tile<bug>(tile, a[0], d);
    compute_tile<bug>(tile + 1, a[bug == Bug::OneSetOfRegisters ? 0 : 1], d);
  }
  wgmma_wait<bug == Bug::NoLastWait ? 1 : 0>();
  pin_registers(d);
  const u32 warp = thread_index() / 32;
  const u32 lane = thread_index() % 32;
  QOQ_UNROLL for (u32 i = 0; i < w4a8_tokens / 2; ++i) {
    const u32 row = warp * 16 + lane / 4 + i / 2 % 2 * 8;
    store_global(args.out + row * w4a8_tokens + i / 4 * 8 + lane % 4 * 2 + i % 2, d[i]);
  }
}

template <Bug bug>
QOQ_DEVICE void w4a8_kernel(const W4a8Args& args) {
  prepare_ring<bug>();
  if (thread_index() >= 128) {
    if (thread_index() == 128) load_tiles<bug>(args);
  } else {
    compute_tiles<bug>(args);
  }
}

}  // namespace qoq::tests
