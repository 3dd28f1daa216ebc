#include "kernels/attention/decode/family.h"

#include <fmt/format.h>

#include <cstring>

#include "kernels/attention/case.h"
#include "kernels/attention/decode/point.h"
#include "kernels/attention/decode/traffic.h"
#include "kernels/attention/reference.h"
#include "kernels/base/digest.h"
#include "kernels/base/error.h"

namespace qoq::attention {

namespace {

using Role = Buffer::Role;

const AttentionCase& attention_case(const Case& c) { return dynamic_cast<const AttentionCase&>(c); }

/// The config as the text of its initialiser.
std::string literal(const DecodeConfig& c) {
  constexpr std::string_view schemes[] = {"Kv4", "Kv8", "Kv16"};
  constexpr std::string_view elements[] = {"F16", "BF16"};
  constexpr std::string_view layouts[] = {"QServe", "Fragment"};
  constexpr std::string_view orientations[] = {"Tokens", "Heads"};
  constexpr std::string_view merges[] = {"Kernel", "Second"};
  return fmt::format(
      "{{.scheme = Scheme::{}, .element = Element::{}, .layout = Layout::{}, .orientation = Orientation::{}, "
      ".merge = Merge::{}, .split = {}, .cap = {}, .checked = {}, .ablated = {}, .head_dim = {}, .page = {}, "
      ".tile = {}, .stages = {}, .warps = {}, .row_tiles = {}, .resident = {}}}",
      schemes[static_cast<int>(c.scheme)], elements[static_cast<int>(c.element)], layouts[static_cast<int>(c.layout)],
      orientations[static_cast<int>(c.orientation)], merges[static_cast<int>(c.merge)], c.split, c.cap, c.checked,
      c.ablated, c.head_dim, c.page, c.tile, c.stages, c.warps, c.row_tiles, c.resident);
}

std::string entry_name(const DecodeConfig& c) { return "attention_decode_" + digest(literal(c)).substr(0, 16); }
std::string merge_name(const DecodeConfig& c) { return "attention_merge_" + digest(literal(c)).substr(0, 16); }
bool two_kernels(const DecodeConfig& c) { return c.split && c.merge == Merge::Second; }

Buffer output(std::string name, size_t bytes) {
  return {std::move(name), Role::Output, std::vector<std::byte>(bytes, std::byte{0xcd})};
}

size_t query_rows(const AttentionProblem& p) {
  return static_cast<size_t>(p.batch) * static_cast<size_t>(p.q_len) * static_cast<size_t>(p.q_heads);
}

/// Pages that the longest sequence takes: the block table's width.
int table_width(const AttentionProblem& p, int page) { return (p.longest() + page - 1) / page; }

/// Pages in the pools: page_cache() adds spare ones.
int pool_pages(const AttentionProblem& p, int page) {
  int pages = spare_pages;
  for (const int length : p.lengths) pages += (length + page - 1) / page;
  return pages;
}

/// Raw scores to logits in powers of two; codes that became subnormals are 2^24 too small.
void set_scales(const AttentionProblem& p, bool quantized, DecodeArgs& args) {
  const double log2_e = 1.4426950408889634;
  const double scale = (quantized ? 0x1p24 : 1.0) * p.softmax_scale();
  args.scale = static_cast<float>(p.cap > 0 ? 2 * log2_e * scale / p.cap : log2_e * scale);
  args.cap_scale = static_cast<float>(p.cap * log2_e);
}

class DecodeFamily final : public Family {
 public:
  std::string_view name() const override { return "attention/decode"; }
  std::string_view op() const override { return "attention"; }
  std::vector<std::string> schemes() const override { return {"kv4", "kv8", "kv16"}; }
  std::vector<Parameter> parameters() const override { return decode_parameters(); }
  Problem canonical(const Problem& problem) const override { return AttentionProblem::parse(problem).problem(); }

  std::optional<std::string> illegal(const Point& point, const Problem& problem) const override {
    const DecodeVariant v = DecodeVariant::from(point, AttentionProblem::parse(problem));
    if (const Illegal why = attention::illegal(v.config); why != Illegal::No) return std::string(sentence(why));
    if (v.splits < 0 || v.splits > most_splits) return fmt::format("at most {} splits", most_splits);
    if (v.splits == 1 && v.config.merge != Merge::Kernel) return "with one split there is nothing to merge";
    return std::nullopt;
  }

  std::optional<std::string> unsupported(const Point& point, const Problem& problem,
                                         const Device& device) const override {
    if (auto why = illegal(point, problem)) return why;
    const AttentionProblem p = AttentionProblem::parse(problem);
    const DecodeVariant v = DecodeVariant::from(point, p);
    const DecodeConfig& c = v.config;
    if (device.compute_capability < 80)
      return fmt::format("cp.async and mma.sync m16n8k16 need sm_80, {} is {}", device.name, device.architecture());
    if (c.shared_bytes() > device.shared_per_block_bytes)
      return fmt::format("needs {} bytes of shared memory, {} gives a CTA {}", c.shared_bytes(), device.architecture(),
                         device.shared_per_block_bytes);
    if (p.page != 0 && p.page != c.page) return fmt::format("the cache has pages of {} tokens", p.page);
    if ((c.row_tiles - 1) * c.tile_rows() >= p.rows())
      return fmt::format("{} row tiles for {} rows: one would be empty", c.row_tiles, p.rows());
    if (v.splits > 1 && v.splits > (v.tiles(p.longest()) + c.warps - 1) / c.warps)
      return fmt::format("{} splits of {} warps are more than there are tiles", v.splits, c.warps);
    return std::nullopt;
  }

  std::string variant(const Point& point, const Problem& problem) const override {
    return variant_id(point, AttentionProblem::parse(problem));
  }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view id, const Problem& shape) const override {
    const auto found = parse_variant_id(id, AttentionProblem::parse(shape));
    if (!found) return std::nullopt;
    return std::pair{found->first, found->second.problem()};
  }

  std::string layout(const Point& point, const Problem&) const override {
    return fmt::format("{}.p{}", decode_parameters().back().labels.at(static_cast<size_t>(point.at("layout"))),
                       point.at("page"));
  }
  std::string layout_group(const Problem& problem) const override {
    const AttentionProblem p = AttentionProblem::parse(problem);
    return fmt::format("heads={}/{} dh={}", p.q_heads, p.kv_heads, p.head_dim);
  }
  double size(const Problem& problem) const override {
    return static_cast<double>(AttentionProblem::parse(problem).tokens());
  }

  Source source(const Point& point, const Problem& problem) const override {
    const DecodeConfig c = DecodeVariant::from(point, AttentionProblem::parse(problem)).config;
    Source source{fmt::format("#include \"kernels/attention/decode/kernel.cuh\"\n"
                              "namespace {0}_config {{\nusing namespace qoq::attention;\n"
                              "constexpr DecodeConfig C{1};\n"
                              "QOQ_ENTRY({0}, decode_attention<C>, DecodeArgs, C.threads(), C.least_ctas())\n",
                              entry_name(c), literal(c)),
                  {entry_name(c)}};
    if (two_kernels(c)) {
      source.text += fmt::format("QOQ_ENTRY({0}, merge_attention<C>, DecodeArgs, C.threads(), 1)\n", merge_name(c));
      source.entries.push_back(merge_name(c));
    }
    source.text += "}\n";
    return source;
  }

  Plan plan(const Point& point, const Problem& problem, const Device& device) const override {
    const AttentionProblem p = AttentionProblem::parse(problem);
    const DecodeVariant v = DecodeVariant::from(point, p);
    const DecodeConfig& c = v.config;
    const Splits splits = splits_of(v, p, device);
    Launch launch;
    launch.entry = entry_name(c);
    launch.grid = {static_cast<uint32_t>(splits.count), static_cast<uint32_t>(p.kv_heads * v.row_blocks(p)),
                   static_cast<uint32_t>(p.batch)};
    launch.block = {static_cast<uint32_t>(c.threads()), 1, 1};
    launch.shared_bytes = static_cast<uint32_t>(c.shared_bytes());
    Plan plan{{launch}, {}};
    if (c.split) {
      const size_t rows = partial_rows(v, p, splits);
      plan.workspaces.push_back({"partials", rows * static_cast<size_t>(c.head_dim) * 4, 256, Workspace::Init::None});
      plan.workspaces.push_back({"partial_sums", rows * 8, 256, Workspace::Init::None});
      if (c.merge == Merge::Kernel) {
        plan.workspaces.push_back(
            {"arrivals", static_cast<size_t>(v.groups(p)) * sizeof(int), 256, Workspace::Init::ZeroOnce});
      } else {
        launch.entry = merge_name(c);
        launch.grid.x = 1;
        launch.shared_bytes = 0;
        plan.launches.push_back(launch);
      }
    }
    if (c.checked) plan.workspaces.push_back({"faults", sizeof(int), 256, Workspace::Init::ZeroEach});
    return plan;
  }

  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override {
    return std::make_unique<AttentionCase>(make_attention_case(AttentionProblem::parse(problem), seed));
  }

  std::vector<Buffer> prepare(const Case& operands, const Point& point) const override {
    const AttentionCase& c = attention_case(operands);
    const DecodeConfig config = DecodeVariant::from(point, c.problem).config;
    return buffers(c, config, page_cache(c, config.page, static_cast<KvLayout>(config.layout)));
  }
  std::vector<Buffer> timing_operands(const Problem& problem, const Point& point, uint64_t seed) const override {
    const AttentionProblem p = AttentionProblem::parse(problem);
    const DecodeConfig config = DecodeVariant::from(point, p).config;
    if (p.tokens() <= 4 * drawn_tokens) return Family::timing_operands(problem, point, seed);
    const size_t page_bytes = p.shape(config.page).page_bytes(), pool_bytes = pool_pages(p, config.page) * page_bytes;
    AttentionProblem queries = p;
    std::ranges::fill(queries.lengths, p.q_len);
    AttentionCase c = make_attention_case(queries, seed);
    c.problem = p;
    std::vector<Buffer> made =
        buffers(c, config, repeated_cache(p, seed, config.page, static_cast<KvLayout>(config.layout)));
    for (Buffer& buffer : made) {
      if (buffer.role == Role::Weights) buffer.repeats = (pool_bytes + buffer.bytes.size() - 1) / buffer.bytes.size();
    }
    return made;
  }
  static std::vector<Buffer> buffers(const AttentionCase& c, const DecodeConfig& config, PagedCache cache) {
    const AttentionProblem& p = c.problem;
    if (config.ablated) {
      const KvShape shape = p.shape(config.page);
      for (std::vector<std::byte>* pool : {&cache.k, &cache.v}) {
        for (size_t at = 0; at < pool->size(); at += shape.page_bytes())
          ablate_codes(std::span(*pool).subspan(at, shape.page_bytes()), shape);
      }
    }
    std::vector<Buffer> made{make_buffer("q", Role::Input, c.q),
                             Buffer{"k", Role::Weights, std::move(cache.k)},
                             Buffer{"v", Role::Weights, std::move(cache.v)},
                             make_buffer("table", Role::Input, cache.table),
                             make_buffer("lengths", Role::Input, p.lengths),
                             output("out", query_rows(p) * static_cast<size_t>(p.head_dim) * 2)};
    if (p.lse) made.push_back(output("lse", query_rows(p) * 4));
    return made;
  }
  std::string operand_key(const Point& point, const Problem& problem) const override {
    return layout(point, problem) + (point.contains("ablated") && point.at("ablated") != 0 ? "+ablated" : "");
  }

  Arguments bind(const Point& point, const Problem& problem, const Device& device,
                 const Addresses& addresses) const override {
    const AttentionProblem p = AttentionProblem::parse(problem);
    const DecodeVariant v = DecodeVariant::from(point, p);
    DecodeArgs args{};
    find_address(addresses, "q", args.q);
    find_address(addresses, "k", args.k);
    find_address(addresses, "v", args.v);
    find_address(addresses, "table", args.table);
    find_address(addresses, "lengths", args.lengths);
    find_address(addresses, "out", args.out);
    find_address(addresses, "lse", args.lse);
    find_address(addresses, "partials", args.partials);
    find_address(addresses, "partial_sums", args.partial_sums);
    find_address(addresses, "arrivals", args.arrivals);
    find_address(addresses, "faults", args.faults);
    args.pages = pool_pages(p, v.config.page);
    args.table_width = table_width(p, v.config.page);
    args.q_heads = p.q_heads;
    args.kv_heads = p.kv_heads;
    args.q_len = p.q_len;
    args.group = p.group();
    args.rows = p.rows();
    args.row_blocks = v.row_blocks(p);
    const Splits splits = splits_of(v, p, device);
    args.splits = splits.count;
    args.least_tiles = splits.least_tiles;
    args.window = p.window;
    set_scales(p, v.config.quantized(), args);
    std::vector<std::byte> bytes(sizeof args);
    std::memcpy(bytes.data(), &args, sizeof args);
    return Arguments(two_kernels(v.config) ? 2 : 1, bytes);
  }

  Check check(const Case& operands, const Point& point, const std::vector<Buffer>& buffers) const override {
    const AttentionCase& c = attention_case(operands);
    std::span<const std::byte> out, lse;
    for (const Buffer& buffer : buffers) {
      if (buffer.name == "out") out = buffer.bytes;
      if (buffer.name == "lse") lse = buffer.bytes;
    }
    return compare(c, DecodeVariant::from(point, c.problem).config.ablated, out, lse);
  }

  Problem reduced(const Point& point, const Problem& problem) const override {
    AttentionProblem p = AttentionProblem::parse(problem);
    const DecodeVariant v = DecodeVariant::from(point, p);
    const DecodeConfig& c = v.config;
    const int group = p.group();
    p.kv_heads = 2;
    p.q_heads = 2 * group;
    // A ring that comes round, more than one split with a tail; a page and one token; only the new tokens.
    const int trips = c.stages + 1, splits = v.splits == 0 ? 2 : std::min(v.splits, 3);
    const int longest = c.warps * c.tile * std::max(trips, splits) + 5;
    p.lengths = {std::max(longest, p.q_len), std::max(c.page + 1, p.q_len), p.q_len};
    p.batch = 3;
    if (p.window > 0) p.window = std::min(p.window, longest - c.tile - 3);
    return p.problem();
  }

  Work work(const Problem& problem) const override { return decode_work(AttentionProblem::parse(problem)); }
  Traffic traffic(const Point& point, const Problem& problem, const Device& device) const override {
    const AttentionProblem p = AttentionProblem::parse(problem);
    return decode_traffic(DecodeVariant::from(point, p), p, device);
  }
  std::optional<Point> published(const Problem&) const override { return std::nullopt; }
};

}  // namespace

std::unique_ptr<Family> make_decode_family() { return std::make_unique<DecodeFamily>(); }

}  // namespace qoq::attention
