// One point of the gemm/mma family as a structural type: the kernel's template parameter, and what makes it legal.
#pragma once
#include "kernels/gemm/format.cuh"
#include "kernels/prim/types.cuh"

namespace qoq::gemm {

struct MmaConfig {
  Scheme scheme;
  Dequant dequant;
  Layout layout;
  Output output;
  bool bias;
  bool ablated;                   ///< no-dequant ablation: the packed words go to the tensor cores as they are
  bool ragged_n, ragged_k;        ///< N or K is no multiple of the CTA's tile: what lies outside is masked
  bool split;                     ///< K is split across CTAs (how many ways is an argument)
  int block_m, block_n, block_k;  ///< CTA tile
  int warp_m, warp_n;             ///< warp tile; along K a warp covers block_k / slices
  int stages;                     ///< tiles in flight: shared-memory buffers of the cp.async pipeline
  int slices;                     ///< K-slices in the CTA: warps that share an output tile, summed at the end

  constexpr bool grouped() const { return scheme == Scheme::W4A8Group; }
  constexpr bool packed4() const { return scheme != Scheme::W8A8; }

  constexpr int warps_m() const { return block_m / warp_m; }
  constexpr int warps_n() const { return block_n / warp_n; }
  constexpr int slice_warps() const { return warps_m() * warps_n(); }
  constexpr int threads() const { return slice_warps() * slices * 32; }
  constexpr int accumulators() const { return warp_m * warp_n / 32; }  ///< per thread

  constexpr int a_bytes() const { return block_m * block_k; }
  constexpr int w_bytes() const { return packed4() ? block_n * block_k / 2 : block_n * block_k; }
  /// Metadata of one group: a scale and a zero byte per column.
  constexpr int group_bytes() const { return grouped() ? 2 * block_n : 0; }
  constexpr int groups_per_tile() const { return block_k > group_size ? block_k / group_size : 1; }
  /// Tiles until the next group begins; the main loop takes that many at a time.
  constexpr int tiles_per_trip() const { return grouped() && block_k < group_size ? group_size / block_k : 1; }
  /// Groups whose metadata can be in flight at once: `stages` consecutive tiles span no more (times groups per tile).
  constexpr int group_slots() const { return (stages - 1 + tiles_per_trip() - 1) / tiles_per_trip() + 1; }

  constexpr int pipeline_bytes() const {
    return stages * (a_bytes() + w_bytes()) + group_slots() * groups_per_tile() * group_bytes();
  }
  /// The slices' accumulators pass through the pipeline's memory once it has drained.
  constexpr int reduction_bytes() const { return (slices - 1) * block_m * block_n * 4; }
  constexpr int shared_bytes() const {
    return pipeline_bytes() > reduction_bytes() ? pipeline_bytes() : reduction_bytes();
  }
};

/// Why a config can be no kernel, on any GPU and for any problem.
enum class Illegal {
  No,
  WarpTile,      // the warp tile is not a whole number of fragments
  BlockTile,     // the CTA tile is not a whole number of warp tiles
  Slices,        // K-slices do not divide the k-tile's 32-wide steps
  Threads,       // not between 32 and 512 threads
  Accumulators,  // more than 128 accumulators a thread
  Stages,        // a pipeline needs two stages
  Dequant,       // the scheme has no such dequantisation
  Layout,        // the dequantisation cannot read this layout
};

constexpr Illegal illegal(const MmaConfig& c) {
  if (c.warp_m % 16 != 0 || c.warp_n % 32 != 0 || c.block_k % 32 != 0) return Illegal::WarpTile;
  if (c.block_m % c.warp_m != 0 || c.block_n % c.warp_n != 0) return Illegal::BlockTile;
  if (c.slices < 1 || (c.block_k / 32) % c.slices != 0) return Illegal::Slices;
  if (c.threads() < 32 || c.threads() > 512) return Illegal::Threads;
  if (c.accumulators() > 128) return Illegal::Accumulators;
  if (c.stages < 2) return Illegal::Stages;
  if (c.grouped() != (c.dequant != Dequant::None)) return Illegal::Dequant;
  if (c.packed4() == (c.layout == Layout::RowMajor)) return Illegal::Layout;
  if (c.layout == Layout::Fragment && c.dequant != Dequant::Imad && c.dequant != Dequant::U8S8) return Illegal::Layout;
  if (c.block_k > group_size ? c.block_k % group_size != 0 : group_size % c.block_k != 0) return Illegal::WarpTile;
  return Illegal::No;
}

/// What a gemm/mma kernel is launched with. Shapes are in elements; every array is dense.
struct MmaArgs {
  const signed char* a;           ///< [M][K] int8 activations
  const unsigned char* w;         ///< weights in the config's layout
  const unsigned char* metadata;  ///< QServe: [K/128][N] scales s2. Fragment: scales and biased zeros interleaved
  const unsigned char* zeros;     ///< QServe: [K/128][N] s2_zeros = int8(−z·s2)
  const half* weight_scales;      ///< [N] s1
  const half* weight_szeros;      ///< [N] z·s1 (per channel)
  const half* token_scales;       ///< [M] sx
  const float* token_sums;        ///< [M] Σ x, unquantised (per channel)
  const int* quantised_sums;      ///< [M] Σ qx (u8×s8)
  const void* bias;               ///< [N] in the output's type
  void* out;                      ///< [M][N]
  u32x4* partials;                ///< split-K: [tile][split][fragment][lane of the CTA]
  int* arrivals;                  ///< split-K: [tile], zero between launches
  int m, n, k;
  int splits;
  int raster;  ///< N-tiles a panel: consecutive CTAs walk a panel row by row
};

}  // namespace qoq::gemm
