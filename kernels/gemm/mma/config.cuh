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

  constexpr bool grouped() const { return scheme != Scheme::W4A8Channel && scheme != Scheme::W8A8; }
  constexpr bool packed4() const { return scheme != Scheme::W8A8; }
  /// Outputs are fp32 sums; otherwise int32 ones. The W4A4 ablation rescales only its last sum.
  constexpr bool float_sums() const {
    return scheme == Scheme::W4A16Group || (scheme == Scheme::W4A4Group && !ablated);
  }
  constexpr int a_bits() const { return scheme == Scheme::W4A16Group ? 16 : scheme == Scheme::W4A4Group ? 4 : 8; }
  /// K of one MMA: 32 bytes of A, but for nibbles that became bytes.
  constexpr int mma_k() const { return dequant == Dequant::Int8 ? 32 : 256 / a_bits(); }
  /// K of what a warp multiplies at a time: whole blocks of packed weights.
  constexpr int unit_k() const { return scheme == Scheme::W4A4Group ? 64 : 32; }

  constexpr int warps_m() const { return block_m / warp_m; }
  constexpr int warps_n() const { return block_n / warp_n; }
  constexpr int slice_warps() const { return warps_m() * warps_n(); }
  constexpr int threads() const { return slice_warps() * slices * 32; }
  constexpr int accumulators() const { return warp_m * warp_n / 32; }  ///< per thread

  /// What one unit of an integer product is worth: nibbles in the upper halves of bytes are 16 times too large.
  constexpr float product_unit() const { return dequant == Dequant::Int8 ? 1.0f / 256 : 1.0f; }

  constexpr int row_bytes() const { return block_k * a_bits() / 8; }  ///< of a tile's row of A
  constexpr int a_bytes() const { return block_m * row_bytes(); }
  constexpr int w_bytes() const { return packed4() ? block_n * block_k / 2 : block_n * block_k; }
  /// Metadata of one group: a scale and a zero per column (W4A8: of a byte each), of W4A4 an fp16 scale per column and
  /// one per row.
  constexpr int column_bytes() const { return !grouped() ? 0 : scheme == Scheme::W4A16Group ? 4 : 2; }
  constexpr int token_bytes() const { return scheme == Scheme::W4A4Group ? 2 : 0; }
  constexpr int group_bytes() const { return column_bytes() * block_n + token_bytes() * block_m; }
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
  Slices,        // K-slices do not divide the k-tile's steps
  Threads,       // not between 32 and 512 threads
  Accumulators,  // more than 128 accumulators a thread
  Stages,        // a pipeline needs two stages
  Dequant,       // the scheme has no such dequantisation
  Layout,        // the dequantisation cannot read this layout
  Output,        // the scheme has no int32 sums
};

constexpr bool has_dequant(Scheme scheme, Dequant dequant) {
  if (scheme == Scheme::W4A8Group) return dequant != Dequant::None && dequant != Dequant::Int8;
  return dequant == Dequant::None || (scheme == Scheme::W4A4Group && dequant == Dequant::Int8);
}
constexpr bool has_layout(const MmaConfig& c) {
  switch (c.scheme) {
    case Scheme::W4A8Group:
      return c.layout == Layout::QServe || (c.layout == Layout::Fragment && c.dequant != Dequant::Vadd4);
    case Scheme::W4A8Channel:
      return c.layout == Layout::QServe;
    case Scheme::W8A8:
      return c.layout == Layout::RowMajor;
    case Scheme::W4A16Group:
    case Scheme::W4A4Group:
      return c.layout == Layout::Fragment;
  }
  return false;
}

constexpr Illegal illegal(const MmaConfig& c) {
  if (c.warp_m % 16 != 0 || c.warp_n % 32 != 0 || c.block_k % c.unit_k() != 0) return Illegal::WarpTile;
  if (c.block_m % c.warp_m != 0 || c.block_n % c.warp_n != 0) return Illegal::BlockTile;
  if (c.slices < 1 || (c.block_k / c.unit_k()) % c.slices != 0) return Illegal::Slices;
  if (c.threads() < 32 || c.threads() > 512) return Illegal::Threads;
  if (c.accumulators() > (c.scheme == Scheme::W4A4Group ? 64 : 128)) return Illegal::Accumulators;  // W4A4 has two sums
  if (c.stages < 2) return Illegal::Stages;
  if (!has_dequant(c.scheme, c.dequant)) return Illegal::Dequant;
  if (!has_layout(c)) return Illegal::Layout;
  if (c.output == Output::I32 && (c.scheme == Scheme::W4A16Group || c.scheme == Scheme::W4A4Group))
    return Illegal::Output;
  if (c.block_k > group_size ? c.block_k % group_size != 0 : group_size % c.block_k != 0) return Illegal::WarpTile;
  return Illegal::No;
}

/// What a gemm/mma kernel is launched with. Shapes are in elements; every array is dense.
struct MmaArgs {
  const unsigned char* a;         ///< [M][K] activations: int8, fp16 or nibbles, the even column low
  const unsigned char* w;         ///< weights in the config's layout
  const unsigned char* metadata;  ///< QServe: [K/128][N] scales s2. Fragment: what kernels/gemm/packing.h writes
  const unsigned char* zeros;     ///< QServe: [K/128][N] s2_zeros = int8(−z·s2)
  const half* weight_scales;      ///< [N] s1
  const half* weight_szeros;      ///< [N] z·s1 (per channel)
  const half* token_scales;       ///< [M] sx; W4A4: [K/128][⌈M/16⌉·16], row r of 16 at 2·(r % 8) + r / 8
  const float* token_sums;        ///< [M] Σ x (per channel): any fp32
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
