// A small W4A8 main loop in the shape of the real ones, to time and to check the emulator with: CTA tile 128×128×64,
// 256 threads, warp tile 64×32, three cp.async stages, one barrier per k-tile.
#pragma once
#include "kernels/prim/prim.cuh"

namespace qoq::bench {

using namespace qoq::prim;

struct TileArgs {
  const u8* a;  // s8 [128][k]
  const u8* w;  // u4, QServe's blocks of 32 (n) × 32 (k): [128 / 32][k / 32][512]
  i32* out;     // [128][128]
  u32 k;
};

constexpr u32 tile_stages = 3;
constexpr u32 a_tile_bytes = 128 * 64;
constexpr u32 w_tile_bytes = 128 * 64 / 2;
constexpr u32 stage_bytes = a_tile_bytes + w_tile_bytes;
constexpr u32 tile_shared_bytes = tile_stages * stage_bytes;

/// 16-byte chunks are swizzled so that eight rows of a column of chunks lie in different banks.
QOQ_DEVICE u32 a_chunk(u32 row, u32 chunk) { return row * 64 + (chunk ^ (row / 2 & 3)) * 16; }

QOQ_DEVICE void copy_tile(const TileArgs& args, u32 tile, u32 stage) {
  const u32 to = shared_base() + stage * stage_bytes;
  for (u32 i = thread_index(); i < a_tile_bytes / 16; i += 256) {
    cp_async_16(to + a_chunk(i / 4, i % 4), args.a + static_cast<u64>(i / 4) * args.k + tile * 64 + i % 4 * 16);
  }
  const u32 i = thread_index();  // 4 block rows × 2 blocks × 32 chunks
  const u64 block = static_cast<u64>(i / 64) * (args.k / 32) + tile * 2 + i / 32 % 2;
  cp_async_16(to + a_tile_bytes + i * 16, args.w + block * 512 + i % 32 * 16);
}

/// (q · 3 − 20) of each nibble: a multiplication and an addition, as dequantisation has.
QOQ_DEVICE u32 dequantise(u32 nibbles) { return imad(nibbles, 3, 0x6c6c6c6cu) ^ 0x80808080u; }

QOQ_DEVICE void compute_tile(u32 stage, i32 (&d)[4][4][4]) {
  const u32 lane = thread_index() % 32;
  const u32 warp_m = thread_index() / 32 % 2;
  const u32 warp_n = thread_index() / 64;
  const u32 from = shared_base() + stage * stage_bytes;
  for (u32 step = 0; step < 2; ++step) {
    u32 a[4][4];
    for (u32 i = 0; i < 4; ++i) {
      ldmatrix_x4(a[i], from + a_chunk(warp_m * 64 + i * 16 + lane % 16, step * 2 + lane / 16));
    }
    const u32x4 w = load_shared_u32x4(from + a_tile_bytes + (warp_n * 2 + step) * 512 + lane * 16);
    const u32 q[2][2] = {{w.x, w.z}, {w.y, w.w}};
    u32 b[4][2];
    for (u32 j = 0; j < 4; ++j) {
      for (u32 h = 0; h < 2; ++h) b[j][h] = dequantise(q[j % 2][h] >> (j / 2 * 4) & 0x0f0f0f0fu);
    }
    mma_tile_s8s8(d, a, b);
  }
}

QOQ_DEVICE void tile_kernel(const TileArgs& args) {
  const u32 tiles = args.k / 64;
  for (u32 stage = 0; stage < tile_stages - 1; ++stage) {
    if (stage < tiles) copy_tile(args, stage, stage);
    cp_async_commit();
  }
  i32 d[4][4][4] = {};
  for (u32 tile = 0; tile < tiles; ++tile) {
    cp_async_wait<tile_stages - 2>();
    sync_threads();
    const u32 next = tile + tile_stages - 1;
    if (next < tiles) copy_tile(args, next, next % tile_stages);
    cp_async_commit();
    compute_tile(tile % tile_stages, d);
  }
  const u32 lane = thread_index() % 32;
  const u32 warp_m = thread_index() / 32 % 2;
  const u32 warp_n = thread_index() / 64;
  for (u32 i = 0; i < 4; ++i) {
    for (u32 j = 0; j < 4; ++j) {
      for (u32 half_tile = 0; half_tile < 2; ++half_tile) {
        const u32 row = warp_m * 64 + i * 16 + half_tile * 8 + lane / 4;
        const u32 column = warp_n * 32 + j * 8 + lane % 4 * 2;
        store_global(reinterpret_cast<u32x2*>(args.out + row * 128 + column),
                     u32x2{static_cast<u32>(d[i][j][half_tile * 2]), static_cast<u32>(d[i][j][half_tile * 2 + 1])});
      }
    }
  }
}

}  // namespace qoq::bench
