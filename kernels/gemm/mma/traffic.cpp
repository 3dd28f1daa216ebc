#include "kernels/gemm/mma/traffic.h"

#include <algorithm>
#include <cmath>

namespace qoq::gemm {

namespace {

/// Bytes of `columns` columns of weights, with their group metadata, over `rows` of K.
double weight_bytes(const GemmProblem& p, double columns, double rows) {
  switch (p.scheme) {
    case Scheme::W4A8Group:
      return columns * (rows / 2 + 2 * rows / group_size);
    case Scheme::W4A8Channel:
      return columns * rows / 2;
    case Scheme::W8A8:
      return columns * rows;
  }
  return 0;
}

double output_bytes(const GemmProblem& p) { return p.output == Output::I32 ? 4 : 2; }

}  // namespace

Work gemm_work(const GemmProblem& p) {
  Work work;
  work.ops = 2.0 * p.m * p.n * p.k;
  work.arithmetic = "int8";
  work.read_bytes = 1.0 * p.m * p.k + weight_bytes(p, p.n, p.k) + 2.0 * p.m + 2.0 * p.n;
  if (p.scheme == Scheme::W4A8Channel) work.read_bytes += 4.0 * p.m + 2.0 * p.n;
  if (p.bias) work.read_bytes += 2.0 * p.n;
  work.write_bytes = output_bytes(p) * p.m * p.n;
  return work;
}

Traffic mma_traffic(const MmaVariant& v, const GemmProblem& p, const Device& device) {
  const MmaConfig& c = v.config;
  const double tiles_m = v.tiles_m(p), tiles_n = v.tiles_n(p), tiles = tiles_m * tiles_n;
  const double rows = std::min<double>(c.block_m, p.m), columns = std::min<double>(c.block_n, p.n);

  Traffic traffic;
  traffic.pipeline_stages = c.stages;
  traffic.mma_instructions = tiles * v.k_tiles(p) * (c.block_k / 32.0) * (c.block_m / 16.0) * (c.block_n / 8.0);
  traffic.l2_read_bytes = tiles * (rows * p.k + weight_bytes(p, columns, p.k));

  // One wave is about one CTA an SM; along the raster it covers wave_n × wave_m tiles.
  const double wave = std::min(tiles, std::max(1.0, std::floor(device.sm_count / static_cast<double>(v.splits))));
  const double panel = std::min<double>(v.raster, tiles_n);
  const double wave_m = std::min(tiles_m, std::ceil(wave / panel));
  const double wave_n = std::min(tiles_n, std::ceil(wave / wave_m));
  const double waves = tiles / (wave_m * wave_n);
  const double half_l2 = static_cast<double>(device.l2_bytes) / 2;
  const double a_once = 1.0 * p.m * p.k, w_once = weight_bytes(p, p.n, p.k);
  const double a_waves = waves * wave_m * rows * p.k, w_waves = waves * weight_bytes(p, wave_n * columns, p.k);
  traffic.dram_read_bytes = (a_once <= half_l2 ? a_once : std::max(a_once, a_waves)) +
                            (w_once <= half_l2 ? w_once : std::max(w_once, w_waves));
  traffic.dram_write_bytes = output_bytes(p) * p.m * p.n;
  // Rows beyond m read row m − 1 again: 32 lanes of 16 bytes at a time, in every tile along n.
  traffic.same_line_requests = (tiles_m * c.block_m - p.m) * (1.0 * p.k / 512) * tiles_n;
  if (v.splits > 1) {  // partial sums: written by all, read by the last; they seldom leave L2 but cost its bandwidth
    const double partials = tiles * v.splits * c.block_m * c.block_n * 4.0;
    traffic.l2_read_bytes += 2 * partials;
    traffic.merge_steps = 2 + (v.splits - 1);  // write, arrive; then one split's sums after the other
    traffic.merge_bytes = partials / tiles;
    if (partials > half_l2) traffic.dram_write_bytes += partials, traffic.dram_read_bytes += partials;
  }
  return traffic;
}

std::optional<Point> qserve_point(const GemmProblem& p) {
  struct Row {
    int block_m, block_n, block_k, warp_m, warp_n, stages, slices;
  };
  Row row{};
  if (p.scheme == Scheme::W4A8Channel) {
    row = p.m > 256    ? Row{128, 128, 64, 64, 32, 3, 1}
          : p.m >= 128 ? Row{64, 64, 64, 32, 32, 4, 1}
                       : Row{32, 64, 128, 32, 32, 3, 2};
  } else if (p.scheme == Scheme::W4A8Group) {
    row = p.m > 128    ? Row{128, 64, 64, 64, 32, 4, 1}
          : p.m < 128  ? Row{32, 64, 128, 32, 32, 3, 2}
          : p.k > 4096 ? Row{64, 64, 128, 32, 32, 3, 2}
                       : Row{64, 64, 64, 32, 32, 4, 1};
  } else {
    row = p.m > 128 ? Row{128, 256, 64, 128, 32, 3, 1} : Row{64, 64, 64, 32, 32, 6, 1};
  }
  return Point{{"block_m", row.block_m},
               {"block_n", row.block_n},
               {"block_k", row.block_k},
               {"warp_m", row.warp_m},
               {"warp_n", row.warp_n},
               {"stages", row.stages},
               {"slices", row.slices},
               {"split_k", 1},
               {"raster", 1},
               {"dequant", static_cast<int>(p.scheme == Scheme::W4A8Group ? Dequant::Vadd4 : Dequant::None)},
               {"layout", static_cast<int>(p.scheme == Scheme::W8A8 ? Layout::RowMajor : Layout::QServe)}};
}

}  // namespace qoq::gemm
