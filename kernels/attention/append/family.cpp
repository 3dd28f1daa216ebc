#include "kernels/attention/append/family.h"

#include <fmt/format.h>

#include <cstring>

#include "kernels/attention/append/point.h"
#include "kernels/attention/append/reference.h"
#include "kernels/base/digest.h"
#include "kernels/base/error.h"

namespace qoq::attention {

namespace {

constexpr int64_t most_ctas = 0x7fffffff;  // along a grid's x (CUDA C++ Programming Guide, "Technical Specifications")

using Op = CacheProblem::Op;

std::string literal(const AppendConfig& c) {
  return fmt::format("{{.form = {}, .element = Element::{}, .rope = {}, .warps = {}}}", attention::literal(c.form),
                     c.element == Element::F16 ? "F16" : "BF16", c.rope, c.warps);
}

/// Configs differ where kernels do, so an entry named by the config's digest is one kernel.
std::string entry_name(const AppendConfig& c) { return "attention_append_" + digest(literal(c)).substr(0, 16); }

const AppendCase& append_case(const Case& c) { return dynamic_cast<const AppendCase&>(c); }

int64_t warps_needed(const CacheProblem& p) { return int64_t{p.batch} * most_units(p.tokens) * p.kv_heads; }

class AppendFamily final : public Family {
 public:
  std::string_view name() const override { return "attention/append"; }
  std::string_view op() const override { return "append"; }
  std::vector<std::string> schemes() const override { return {"kv4", "kv8", "kv16"}; }
  std::vector<Parameter> parameters() const override { return cache_parameters(Op::Append); }
  Problem canonical(const Problem& problem) const override { return CacheProblem::parse(problem).problem(); }

  std::optional<std::string> illegal(const Point& point, const Problem&) const override {
    return unknown_value(point, Op::Append);
  }
  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (auto why = illegal(point, problem)) return why;
    const CacheProblem p = CacheProblem::parse(problem);
    if (auto why = wrong_page(point, p)) return why;
    if (device.compute_capability < 80)
      return fmt::format("cvt.rn.f16x2 needs sm_80, {} is {}", device.name, device.architecture());
    const AppendConfig c = append_config(point, p);
    if (c.shared_bytes() > device.shared_per_block_bytes) {
      return fmt::format("needs {} bytes of shared memory, {} gives a CTA {}", c.shared_bytes(), device.architecture(),
                         device.shared_per_block_bytes);
    }
    if (warps_needed(p) > most_ctas - c.warps)
      return fmt::format("needs {} warps a side, more than 2^31", warps_needed(p));
    return std::nullopt;
  }

  std::string variant(const Point& point, const Problem& problem) const override {
    return cache_variant_id(point, CacheProblem::parse(problem));
  }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view id, const Problem& shape) const override {
    const auto found = parse_cache_variant_id(id, CacheProblem::parse(shape));
    if (!found) return std::nullopt;
    return std::pair{found->first, found->second.problem()};
  }
  std::string layout(const Point& point, const Problem&) const override { return page_layout(point); }
  std::string layout_group(const Problem& problem) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    return fmt::format("heads={} dh={}", p.kv_heads, p.head_dim);
  }
  double size(const Problem& problem) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    return 1.0 * p.batch * p.tokens;
  }

  Source source(const Point& point, const Problem& problem) const override {
    const AppendConfig c = append_config(point, CacheProblem::parse(problem));
    const std::string entry = entry_name(c);
    return {fmt::format("#include \"kernels/attention/append/kernel.cuh\"\n"
                        "namespace {0}_config {{\nusing namespace qoq::attention;\n"
                        "constexpr AppendConfig C{1};\n"
                        "QOQ_ENTRY({0}, append<C>, AppendArgs, C.threads(), 1)\n}}\n",
                        entry, literal(c)),
            {entry}};
  }
  Plan plan(const Point& point, const Problem& problem, const Device&) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    const AppendConfig c = append_config(point, p);
    Launch launch;
    launch.entry = entry_name(c);
    launch.grid = {static_cast<uint32_t>((warps_needed(p) + c.warps - 1) / c.warps), 2, 1};  // keys, values
    launch.block = {static_cast<uint32_t>(c.threads()), 1, 1};
    launch.shared_bytes = static_cast<uint32_t>(c.shared_bytes());
    return {{launch}, {}};
  }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    return std::make_unique<AppendCase>(make_append_case(CacheProblem::parse(problem), seed));
  }
  std::vector<Buffer> prepare(const Case& values, const Point& point) const override {
    using Role = Buffer::Role;
    const AppendCase& c = append_case(values);
    const PagePools pools = draw_page_pools(c, value_of(point, "page"));
    std::vector<Buffer> buffers{make_buffer("k", Role::Input, c.k), make_buffer("v", Role::Input, c.v),
                                make_buffer("lengths", Role::Input, c.problem.lengths),
                                make_buffer("table", Role::Input, pools.table)};
    if (c.problem.rope) {
      buffers.push_back(make_buffer("cosine", Role::Input, c.cosine));
      buffers.push_back(make_buffer("sine", Role::Input, c.sine));
    }
    buffers.push_back(make_buffer("k_pool", Role::InOut, pools.k));
    buffers.push_back(make_buffer("v_pool", Role::InOut, pools.v));
    return buffers;
  }
  /// The pools before the append are random bytes, the same for every layout.
  std::string operand_key(const Point& point, const Problem&) const override {
    return fmt::format("p{}", value_of(point, "page"));
  }
  Arguments bind(const Point& point, const Problem& problem, const Device&, const Addresses& at) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    const int page = value_of(point, "page");
    AppendArgs args{};
    find_address(at, "k", args.k);
    find_address(at, "v", args.v);
    find_address(at, "lengths", args.lengths);
    find_address(at, "table", args.table);
    find_address(at, "cosine", args.cosine);
    find_address(at, "sine", args.sine);
    find_address(at, "k_pool", args.k_pool);
    find_address(at, "v_pool", args.v_pool);
    args.batch = p.batch;
    args.heads = p.kv_heads;
    args.tokens = p.tokens;
    args.width = (p.longest() + page - 1) / page;
    args.units = most_units(p.tokens);
    std::vector<std::byte> bytes(sizeof args);
    std::memcpy(bytes.data(), &args, sizeof args);
    return {bytes};
  }
  Check check(const Case& values, const Point& point, const std::vector<Buffer>& buffers) const override {
    std::span<const std::byte> k, v;
    for (const Buffer& buffer : buffers) {
      if (buffer.name == "k_pool") k = buffer.bytes;
      if (buffer.name == "v_pool") v = buffer.bytes;
    }
    return compare_pools(append_case(values), value_of(point, "page"), kv_layout(point), k, v);
  }

  /// 18 tokens, which lie in two or three units and cross pages: from position 0, from a page's start, to a page's end,
  /// and from the token before a page on.
  Problem reduced(const Point& point, const Problem& problem) const override {
    CacheProblem p = CacheProblem::parse(problem);
    const int page = value_of(point, "page");
    p.tokens = 18;
    p.kv_heads = 3;
    p.lengths = {18, page + 18, 2 * page, 2 * page + 1, page + 17};
    if (page == 16) p.lengths[2] = 3 * page;
    p.batch = static_cast<int>(p.lengths.size());
    return p.problem();
  }

  Work work(const Problem& problem) const override { return append_work(CacheProblem::parse(problem)); }
  Traffic traffic(const Point& point, const Problem& problem, const Device&) const override {
    return append_traffic(CacheProblem::parse(problem), static_cast<Layout>(value_of(point, "layout")));
  }
  std::optional<Point> published(const Problem&) const override { return std::nullopt; }
};

}  // namespace

std::unique_ptr<Family> make_append_family() { return std::make_unique<AppendFamily>(); }

}  // namespace qoq::attention
