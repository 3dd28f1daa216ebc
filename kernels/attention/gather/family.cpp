#include "kernels/attention/gather/family.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "kernels/attention/append/point.h"
#include "kernels/attention/case.h"
#include "kernels/attention/gather/config.cuh"
#include "kernels/base/digest.h"
#include "kernels/base/error.h"
#include "kernels/base/float16.h"

namespace qoq::attention {

namespace {

constexpr int64_t most_ctas = 0x7fffffff;  // along a grid's x (CUDA C++ Programming Guide, "Technical Specifications")

using Op = CacheProblem::Op;

GatherConfig gather_config(const Point& point, const CacheProblem& p) {
  return {page_form(point, p), p.element, value_of(point, "warps"), value_of(point, "tokens")};
}

std::string literal(const GatherConfig& c) {
  return fmt::format("{{.form = {}, .element = Element::{}, .warps = {}, .tokens = {}}}", attention::literal(c.form),
                     c.element == Element::F16 ? "F16" : "BF16", c.warps, c.tokens);
}

/// Configs differ where kernels do, so an entry named by the config's digest is one kernel.
std::string entry_name(const GatherConfig& c) { return "attention_gather_" + digest(literal(c)).substr(0, 16); }

/// The cache to gather is drawn as attention's own.
AttentionProblem attention_problem(const CacheProblem& p) {
  AttentionProblem a;
  a.scheme = p.scheme;
  a.element = p.element;
  a.batch = p.batch;
  a.q_heads = a.kv_heads = p.kv_heads;
  a.head_dim = p.head_dim;
  a.lengths = p.lengths;
  return a;
}

const AttentionCase& attention_case(const Case& c) { return dynamic_cast<const AttentionCase&>(c); }

/// One row as dequantize_kv() gives it, rounded; a 16-bit row as it is.
KvRow gathered_row(const AttentionCase& c, bool keys, size_t row) {
  const auto head_dim = static_cast<std::ptrdiff_t>(c.problem.head_dim);
  const auto from = (keys ? c.k_codes : c.v_codes).begin() + static_cast<std::ptrdiff_t>(row) * head_dim;
  KvRow result{{from, from + head_dim}, 0, 0};
  if (c.problem.scheme == Scheme::Kv16) return result;
  result.scale = (keys ? c.k_scale : c.v_scale)[row];
  result.zero = (keys ? c.k_zero : c.v_zero)[row];
  const std::vector<float> x = dequantize_kv(result, bits(c.problem.scheme));
  for (size_t i = 0; i < x.size(); ++i)
    result.codes[i] = c.problem.element == Element::F16 ? float_to_half(x[i]) : float_to_bfloat16(x[i]);
  return result;
}

/// Compares one gathered side with the reference.
Check compare(const AttentionCase& c, bool keys, std::span<const std::byte> got) {
  const size_t head_dim = static_cast<size_t>(c.problem.head_dim), heads = static_cast<size_t>(c.problem.kv_heads);
  const size_t rows = static_cast<size_t>(c.problem.tokens()) * heads;
  if (got.size() != rows * head_dim * 2) return {false, 1, "an output has the wrong size"};
  for (size_t row = 0; row < rows; ++row) {
    const KvRow want = gathered_row(c, keys, row);
    for (size_t i = 0; i < head_dim; ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, got.data() + (row * head_dim + i) * 2, 2);
      if (bits == want.codes[i]) continue;
      return {false, 1,
              fmt::format("{} differ first at row {}, head {}, channel {}: {:#06x}, not {:#06x}",
                          keys ? "keys" : "values", row / heads, row % heads, i, bits, want.codes[i])};
    }
  }
  return {true, 0, ""};
}

class GatherFamily final : public Family {
 public:
  std::string_view name() const override { return "attention/gather"; }
  std::string_view op() const override { return "gather"; }
  std::vector<std::string> schemes() const override { return {"kv4", "kv8", "kv16"}; }
  std::vector<Parameter> parameters() const override { return cache_parameters(Op::Gather); }
  Problem canonical(const Problem& problem) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    if (p.total_tokens() > most_ctas) bad_input("\"{}\": more than 2^31 rows", problem.text());
    return p.problem();
  }

  std::optional<std::string> illegal(const Point& point, const Problem&) const override {
    if (auto why = unknown_value(point, Op::Gather)) return why;
    if (value_of(point, "tokens") < unit_tokens * value_of(point, "warps"))
      return fmt::format("{} tokens leave some of {} warps without 16", value_of(point, "tokens"),
                         value_of(point, "warps"));
    return std::nullopt;
  }
  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (auto why = illegal(point, problem)) return why;
    const CacheProblem p = CacheProblem::parse(problem);
    if (auto why = wrong_page(point, p)) return why;
    if (device.compute_capability < 80)
      return fmt::format("cvt.rn.f16x2 needs sm_80, {} is {}", device.name, device.architecture());
    const GatherConfig c = gather_config(point, p);
    if (c.shared_bytes() > device.shared_per_block_bytes) {
      return fmt::format("needs {} bytes of shared memory, {} gives a CTA {}", c.shared_bytes(), device.architecture(),
                         device.shared_per_block_bytes);
    }
    if (ctas(c, p) > most_ctas) return fmt::format("needs {} CTAs a side, more than 2^31", ctas(c, p));
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
    return static_cast<double>(CacheProblem::parse(problem).total_tokens());
  }

  Source source(const Point& point, const Problem& problem) const override {
    const GatherConfig c = gather_config(point, CacheProblem::parse(problem));
    const std::string entry = entry_name(c);
    return {fmt::format("#include \"kernels/attention/gather/kernel.cuh\"\n"
                        "namespace {0}_config {{\nusing namespace qoq::attention;\n"
                        "constexpr GatherConfig C{1};\n"
                        "QOQ_ENTRY({0}, gather<C>, GatherArgs, C.threads(), 1)\n}}\n",
                        entry, literal(c)),
            {entry}};
  }
  Plan plan(const Point& point, const Problem& problem, const Device&) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    const GatherConfig c = gather_config(point, p);
    Launch launch;
    launch.entry = entry_name(c);
    launch.grid = {static_cast<uint32_t>(ctas(c, p)), 2, 1};  // keys, values
    launch.block = {static_cast<uint32_t>(c.threads()), 1, 1};
    launch.shared_bytes = static_cast<uint32_t>(c.shared_bytes());
    return {{launch}, {}};
  }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    return std::make_unique<AttentionCase>(make_attention_case(attention_problem(CacheProblem::parse(problem)), seed));
  }
  std::vector<Buffer> prepare(const Case& values, const Point& point) const override {
    using Role = Buffer::Role;
    const AttentionCase& c = attention_case(values);
    const PagedCache cache = page_cache(c, value_of(point, "page"), kv_layout(point));
    std::vector<int32_t> starts(c.first_token.begin(), c.first_token.end());
    starts.push_back(static_cast<int32_t>(c.problem.tokens()));
    std::vector<Buffer> buffers{make_buffer("k_pool", Role::Input, cache.k),
                                make_buffer("v_pool", Role::Input, cache.v), make_buffer("starts", Role::Input, starts),
                                make_buffer("table", Role::Input, cache.table)};
    const size_t bytes = c.k_codes.size() * 2;
    for (const char* name : {"k", "v"}) buffers.push_back({name, Role::Output, {bytes, std::byte{0xcd}}});
    return buffers;
  }
  std::string operand_key(const Point& point, const Problem&) const override { return page_layout(point); }
  Arguments bind(const Point& point, const Problem& problem, const Device&, const Addresses& at) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    const int page = value_of(point, "page");
    GatherArgs args{};
    find_address(at, "k_pool", args.k_pool);
    find_address(at, "v_pool", args.v_pool);
    find_address(at, "starts", args.starts);
    find_address(at, "table", args.table);
    find_address(at, "k", args.k);
    find_address(at, "v", args.v);
    args.heads = p.kv_heads;
    args.width = (p.longest() + page - 1) / page;
    args.blocks = blocks(gather_config(point, p), p);
    std::vector<std::byte> bytes(sizeof args);
    std::memcpy(bytes.data(), &args, sizeof args);
    return {bytes};
  }
  Check check(const Case& values, const Point&, const std::vector<Buffer>& buffers) const override {
    int sides = 0;
    for (const Buffer& buffer : buffers) {
      if (buffer.role != Buffer::Role::Output) continue;
      const Check side = compare(attention_case(values), buffer.name == "k", buffer.bytes);
      if (!side.pass) return side;
      ++sides;
    }
    return {sides == 2, 0, sides == 2 ? "" : "an output is missing"};
  }

  /// Sequences that end around pages and CTAs.
  Problem reduced(const Point& point, const Problem& problem) const override {
    CacheProblem p = CacheProblem::parse(problem);
    const int page = value_of(point, "page");
    p.kv_heads = 3;
    p.lengths = {1, page - 1, page, page + 1, 2 * page + 5, value_of(point, "tokens") + 3};
    p.batch = static_cast<int>(p.lengths.size());
    return p.problem();
  }

  Work work(const Problem& problem) const override {
    const CacheProblem p = CacheProblem::parse(problem);
    const KvShape shape = p.shape(16);
    const double rows = 2.0 * static_cast<double>(p.total_tokens()) * p.kv_heads;
    Work work;
    work.ops = 2.0 * rows * p.head_dim;  // one subtraction and one multiplication a channel
    work.arithmetic = "fp16";
    work.read_bytes = rows * static_cast<double>(shape.row_bytes() + shape.parameter_bytes());
    work.write_bytes = rows * 2.0 * p.head_dim;
    return work;
  }
  Traffic traffic(const Point&, const Problem& problem, const Device&) const override {
    const Work least = work(problem);
    Traffic traffic;
    traffic.dram_read_bytes = traffic.l2_read_bytes = least.read_bytes;
    traffic.dram_write_bytes = least.write_bytes;
    return traffic;
  }
  std::optional<Point> published(const Problem&) const override { return std::nullopt; }

 private:
  static int blocks(const GatherConfig& c, const CacheProblem& p) { return (p.longest() + c.tokens - 1) / c.tokens; }
  static int64_t ctas(const GatherConfig& c, const CacheProblem& p) {
    return int64_t{p.batch} * blocks(c, p) * p.kv_heads;
  }
};

}  // namespace

std::unique_ptr<Family> make_gather_family() { return std::make_unique<GatherFamily>(); }

}  // namespace qoq::attention
