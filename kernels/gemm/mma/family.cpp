#include "kernels/gemm/mma/family.h"

#include <fmt/format.h>

#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/gemm/float_reference.h"
#include "kernels/gemm/mma/operands.h"
#include "kernels/gemm/mma/point.h"
#include "kernels/gemm/mma/traffic.h"
#include "kernels/gemm/plain/family.h"
#include "kernels/gemm/reference.h"

namespace qoq::gemm {

namespace {

constexpr int64_t most_ctas = 0x7fffffff;  // along a grid's x (CUDA C++ Programming Guide, "Technical Specifications")

const GemmCase& gemm_case(const Case& c) { return dynamic_cast<const GemmCase&>(c); }

/// The config as the text of its initialiser.
std::string literal(const MmaConfig& c) {
  constexpr std::string_view schemes[] = {"W4A8Group", "W4A8Channel", "W8A8", "W4A16Group", "W4A4Group"};
  constexpr std::string_view dequants[] = {"None", "Vadd4", "Imad", "U8S8", "Int8"};
  constexpr std::string_view layouts[] = {"QServe", "Fragment", "RowMajor"};
  constexpr std::string_view outputs[] = {"F16", "BF16", "I32"};
  return fmt::format(
      "{{.scheme = Scheme::{}, .dequant = Dequant::{}, .layout = Layout::{}, .output = Output::{}, .bias = {}, "
      ".ablated = {}, "
      ".ragged_n = {}, .ragged_k = {}, .split = {}, .block_m = {}, .block_n = {}, .block_k = {}, .warp_m = {}, .warp_n "
      "= {}, "
      ".stages = {}, .slices = {}}}",
      schemes[static_cast<int>(c.scheme)], dequants[static_cast<int>(c.dequant)], layouts[static_cast<int>(c.layout)],
      outputs[static_cast<int>(c.output)], c.bias, c.ablated, c.ragged_n, c.ragged_k, c.split, c.block_m, c.block_n,
      c.block_k, c.warp_m, c.warp_n, c.stages, c.slices);
}

/// Configs differ where kernels do, so an entry named by the config's digest is one kernel.
std::string entry_name(const MmaConfig& c) { return "gemm_mma_" + digest(literal(c)).substr(0, 16); }

/// Split-K's partial sums beyond this are slower than any split gains, and crowd the GPU's memory.
constexpr double most_partial_bytes = 512e6;

double partial_bytes(const MmaVariant& v, const GemmProblem& p) {
  return 4.0 * v.tiles_m(p) * v.tiles_n(p) * v.splits * v.config.block_m * v.config.block_n;
}

Check check_outputs(const GemmCase& operands, const Point& point, std::span<const std::byte> out) {
  const MmaVariant v = MmaVariant::from(point, operands.problem);
  const MmaConfig& c = v.config;
  if (c.scheme == Scheme::W4A16Group) return check_half(operands, out, c.ablated);
  if (c.scheme == Scheme::W4A4Group) {
    return compare(operands, out, finish_int4(operands, {c.block_k, c.slices, v.splits}, c.ablated));
  }
  const bool raw = c.ablated && c.packed4();
  const std::vector<int32_t> sums =
      accumulate(operands, raw ? ablated_weights(operands, c.dequant == Dequant::U8S8) : operands.w);
  return compare(operands, out, finish(operands, sums));
}

class MmaFamily final : public Family {
 public:
  std::string_view name() const override { return "gemm/mma"; }
  std::string_view op() const override { return "gemm"; }
  std::vector<std::string> schemes() const override {
    std::vector<std::string> names;
    for (const Scheme scheme : gemm::schemes) names.emplace_back(gemm::name(scheme));
    return names;
  }
  std::vector<Parameter> parameters() const override { return mma_parameters(); }
  Problem canonical(const Problem& problem) const override { return GemmProblem::parse(problem).problem(); }

  std::optional<std::string> illegal(const Point& point, const Problem& problem) const override {
    const Illegal why = gemm::illegal(MmaVariant::from(point, GemmProblem::parse(problem)).config);
    if (why == Illegal::No) return std::nullopt;
    return std::string(sentence(why));
  }

  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (auto why = illegal(point, problem)) return why;
    const GemmProblem p = GemmProblem::parse(problem);
    const MmaVariant v = MmaVariant::from(point, p);
    const MmaConfig& c = v.config;
    if (device.compute_capability < 80)
      return fmt::format("mma.sync m16n8k32 needs sm_80, {} is {}", device.name, device.architecture());
    if (p.scheme == Scheme::W4A4Group && c.dequant == Dequant::None && device.compute_capability >= 90) {
      return fmt::format("int4 tensor cores are in sm_80 to sm_89, {} is {}: dequant=int8 unpacks for the int8 ones",
                         device.name, device.architecture());
    }
    if (c.shared_bytes() > device.shared_per_block_bytes) {  // a limit that leaves out what the system reserves
      return fmt::format("needs {} bytes of shared memory, {} gives a CTA {}", c.shared_bytes(), device.architecture(),
                         device.shared_per_block_bytes);
    }
    if (const int64_t tiles = int64_t{v.tiles_m(p)} * v.tiles_n(p); tiles > most_ctas) {
      return fmt::format("needs {} CTAs, a grid has at most {}", tiles, most_ctas);
    }
    const int trips = (v.k_tiles(p) + c.tiles_per_trip() - 1) / c.tiles_per_trip();
    if (v.splits > trips) return fmt::format("split_k={} exceeds the {} k-tiles there are", v.splits, trips);
    if (const double bytes = partial_bytes(v, p); v.splits > 1 && bytes > most_partial_bytes) {
      return fmt::format("split_k={} needs {:.0f} MB for partial sums, more than {:.0f}", v.splits, bytes * 1e-6,
                         most_partial_bytes * 1e-6);
    }
    if (v.raster > 1 && v.tiles_m(p) == 1) return "with one row of tiles the raster has no effect";
    if (v.raster > v.tiles_n(p)) return "the raster is wider than the problem";
    return std::nullopt;
  }

  std::string variant(const Point& point, const Problem& problem) const override {
    return variant_id(point, GemmProblem::parse(problem));
  }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view id, const Problem& shape) const override {
    const auto found = parse_variant_id(id, GemmProblem::parse(shape));
    if (!found) return std::nullopt;
    return std::pair{found->first, found->second.problem()};
  }

  std::string layout(const Point& point, const Problem&) const override {
    return mma_parameters().back().labels.at(static_cast<size_t>(point.at("layout")));
  }
  std::string layout_group(const Problem& problem) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    return fmt::format("n={} k={}", p.n, p.k);
  }
  double size(const Problem& problem) const override { return GemmProblem::parse(problem).m; }

  Source source(const Point& point, const Problem& problem) const override {
    const MmaConfig c = MmaVariant::from(point, GemmProblem::parse(problem)).config;
    const std::string entry = entry_name(c);
    return {fmt::format("#include \"kernels/gemm/mma/kernel.cuh\"\n"
                        "namespace {0}_config {{\nusing namespace qoq::gemm;\n"
                        "constexpr MmaConfig C{1};\n"
                        "QOQ_ENTRY({0}, mma_gemm<C>, MmaArgs, C.threads(), 1)\n}}\n",
                        entry, literal(c)),
            {entry}};
  }

  Plan plan(const Point& point, const Problem& problem, const Device&) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    const MmaVariant v = MmaVariant::from(point, p);
    const auto tiles = static_cast<uint32_t>(v.tiles_m(p) * v.tiles_n(p));
    Launch launch;
    launch.entry = entry_name(v.config);
    launch.grid = {tiles, static_cast<uint32_t>(v.splits), 1};
    launch.block = {static_cast<uint32_t>(v.config.threads()), 1, 1};
    launch.shared_bytes = static_cast<uint32_t>(v.config.shared_bytes());
    Plan result{{launch}, {}};
    if (v.splits > 1) {
      const size_t tile_bytes = static_cast<size_t>(v.config.block_m) * static_cast<size_t>(v.config.block_n) * 4;
      result.workspaces.push_back(
          {"partials", tiles * static_cast<size_t>(v.splits) * tile_bytes, 256, Workspace::Init::None});
      result.workspaces.push_back({"arrivals", tiles * sizeof(int), 256, Workspace::Init::ZeroOnce});
    }
    return result;
  }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    return std::make_unique<GemmCase>(make_gemm_case(GemmProblem::parse(problem), seed));
  }
  std::vector<Buffer> prepare(const Case& c, const Point& point) const override {
    return prepare_operands(gemm_case(c), MmaVariant::from(point, gemm_case(c).problem).config);
  }
  std::string operand_key(const Point& point, const Problem& problem) const override {
    const MmaConfig c = MmaVariant::from(point, GemmProblem::parse(problem)).config;
    const bool finite = c.scheme == Scheme::W4A16Group && c.ablated;
    return fmt::format("{}{}{}", layout(point, problem), c.dequant == Dequant::U8S8 ? "+qsum" : "",
                       finite ? "+finite" : "");
  }
  Arguments bind(const Point& point, const Problem& problem, const Device&, const Addresses& addresses) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    return bind_operands(MmaVariant::from(point, p), p, addresses);
  }
  Check check(const Case& c, const Point& point, const std::vector<Buffer>& buffers) const override {
    for (const Buffer& buffer : buffers) {
      if (buffer.role == Buffer::Role::Output) return check_outputs(gemm_case(c), point, buffer.bytes);
    }
    return {false, 0, "no output buffer"};
  }

  Problem reduced(const Point& point, const Problem& problem) const override {
    GemmProblem p = GemmProblem::parse(problem);
    const MmaVariant v = MmaVariant::from(point, p);
    const MmaConfig& c = v.config;
    const int granule = p.scheme == Scheme::W8A8 ? 8 : 32;
    const int depth = std::max(c.block_k, c.grouped() ? group_size : 0);
    p.m = c.block_m + 5;
    p.n = c.ragged_n ? c.block_n + granule : 2 * c.block_n;
    const int trips = ((2 * c.stages + 1) * c.block_k + depth - 1) / depth * v.splits;
    p.k = trips * depth - (c.ragged_k ? (c.grouped() ? group_size : 32) : 0);
    return p.problem();
  }

  Work work(const Problem& problem) const override { return gemm_work(GemmProblem::parse(problem)); }
  Traffic traffic(const Point& point, const Problem& problem, const Device& device) const override {
    const GemmProblem p = GemmProblem::parse(problem);
    return mma_traffic(MmaVariant::from(point, p), p, device);
  }
  std::optional<Point> published(const Problem& problem) const override {
    return qserve_point(GemmProblem::parse(problem));
  }
  const Family* reference() const override { return plain_.get(); }

 private:
  std::unique_ptr<Family> plain_ = make_plain_family();
};

}  // namespace

std::unique_ptr<Family> make_mma_family() { return std::make_unique<MmaFamily>(); }

}  // namespace qoq::gemm
