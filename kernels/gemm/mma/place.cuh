// Which part of the problem a CTA, and in it a warp, works on.
#pragma once
#include "kernels/gemm/mma/config.cuh"
#include "kernels/prim/prim.cuh"

namespace qoq::gemm {

struct Place {
  int tile;               ///< output tile's number, for split-K's meeting point
  int m0, n0;             ///< first row and column of the CTA's tile
  int first_tile, tiles;  ///< the split's k-tiles
  int split;
  int thread, lane;
  int slice, warp_in_slice;  ///< K-slice of the CTA, and the warp among those that share it
  int warp_m0, warp_n0;      ///< the warp's tile inside the CTA's
};

template <MmaConfig C>
QOQ_DEVICE Place locate(const MmaArgs& args) {
  Place at;
  // Panels of `raster` N-tiles; inside a panel CTAs go along N first, so that they share activations, then down M.
  const int tiles_m = (args.m + C.block_m - 1) / C.block_m;
  const int tiles_n = (args.n + C.block_n - 1) / C.block_n;
  const int id = static_cast<int>(prim::block_index_x());
  const int panel = id / (args.raster * tiles_m);
  const int in_panel = id - panel * args.raster * tiles_m;
  const int first_n = panel * args.raster;
  const int width = tiles_n - first_n < args.raster ? tiles_n - first_n : args.raster;
  const int tile_m = in_panel / width;
  const int tile_n = first_n + in_panel - tile_m * width;
  at.tile = tile_m * tiles_n + tile_n;
  at.m0 = tile_m * C.block_m;
  at.n0 = tile_n * C.block_n;

  const int k_tiles = (args.k + C.block_k - 1) / C.block_k;
  at.split = 0;
  at.first_tile = 0;
  at.tiles = k_tiles;
  if constexpr (C.split) {
    // Splits begin where groups do: they share out whole trips.
    const int trips = k_tiles / C.tiles_per_trip();
    at.split = static_cast<int>(prim::block_index_y());
    const int begin = trips * at.split / args.splits;
    const int end = trips * (at.split + 1) / args.splits;
    at.first_tile = begin * C.tiles_per_trip();
    at.tiles = (end - begin) * C.tiles_per_trip();
  }

  at.thread = static_cast<int>(prim::thread_index());
  at.lane = at.thread % 32;
  const int warp = at.thread / 32;
  at.slice = warp / C.slice_warps();
  at.warp_in_slice = warp % C.slice_warps();
  at.warp_m0 = at.warp_in_slice / C.warps_n() * C.warp_m;
  at.warp_n0 = at.warp_in_slice % C.warps_n() * C.warp_n;
  return at;
}

}  // namespace qoq::gemm
