#include "kernels/gemm/mma/point.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "kernels/base/error.h"

namespace qoq::gemm {

namespace {

/// How each numeric parameter is written in an id, in order.
constexpr std::array<std::pair<std::string_view, const char*>, 9> id_parts{{{"bm", "block_m"},
                                                                            {"bn", "block_n"},
                                                                            {"bk", "block_k"},
                                                                            {"wm", "warp_m"},
                                                                            {"wn", "warp_n"},
                                                                            {"st", "stages"},
                                                                            {"ks", "slices"},
                                                                            {"sk", "split_k"},
                                                                            {"ra", "raster"}}};

const Parameter& parameter(std::string_view name) {
  for (const Parameter& p : mma_parameters()) {
    if (p.name == name) return p;
  }
  bad_input("gemm/mma has no parameter \"{}\"", name);
}

int value(const Point& point, const char* name) {
  const auto found = point.find(name);
  if (found == point.end()) bad_input("a gemm/mma point lacks {}", name);
  return found->second;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool parse_label(std::string_view text, const Parameter& p, Point& point) {
  for (size_t i = 0; i < p.labels.size(); ++i) {
    if (p.labels[i] == text) return point[p.name] = p.values[i], true;
  }
  return false;
}

}  // namespace

const std::vector<Parameter>& mma_parameters() {
  static const std::vector<Parameter> parameters{
      {"block_m", "rows of C a CTA computes", {16, 32, 64, 128, 256}, {}},
      {"block_n", "columns of C a CTA computes", {32, 64, 128, 256}, {}},
      {"block_k", "depth of one shared-memory tile", {64, 128, 256}, {}},
      {"warp_m", "rows of C a warp computes", {16, 32, 64, 128}, {}},
      {"warp_n", "columns of C a warp computes", {32, 64, 128}, {}},
      {"stages", "tiles in flight", {2, 3, 4, 5, 6, 8}, {}},
      {"slices", "warps along K that share an output tile in the CTA", {1, 2, 4}, {}},
      {"split_k", "CTAs along K that share an output tile", {1, 2, 4, 8, 16}, {}},
      {"raster", "N-tiles that consecutive CTAs walk before the next row of tiles", {1, 4, 16}, {}},
      {"dequant",
       "how a group's int8 weights are made, or int8 of both 4-bit operands",
       {0, 1, 2, 3, 4},
       {"none", "vadd4", "imad", "u8s8", "int8"}},
      {"layout", "how weights lie in memory", {0, 1, 2}, {"qserve", "fragment", "rowmajor"}},
  };
  return parameters;
}

MmaVariant MmaVariant::from(const Point& point, const GemmProblem& p) {
  MmaVariant v{};
  MmaConfig& c = v.config;
  c.scheme = p.scheme;
  c.output = p.output;
  c.bias = p.bias;
  c.dequant = static_cast<Dequant>(value(point, "dequant"));
  c.layout = static_cast<Layout>(value(point, "layout"));
  const auto ablated = point.find("ablated");
  c.ablated = ablated != point.end() && ablated->second != 0;
  c.block_m = value(point, "block_m");
  c.block_n = value(point, "block_n");
  c.block_k = value(point, "block_k");
  c.warp_m = value(point, "warp_m");
  c.warp_n = value(point, "warp_n");
  c.stages = value(point, "stages");
  c.slices = value(point, "slices");
  c.ragged_n = p.n % c.block_n != 0;
  c.ragged_k = p.k % c.block_k != 0;
  v.splits = value(point, "split_k");
  v.raster = value(point, "raster");
  c.split = v.splits > 1;
  return v;
}

std::string variant_id(const Point& point, const GemmProblem& p) {
  std::string id = fmt::format("mma.{}", name(p.scheme));
  for (const auto& [letters, field] : id_parts) id += fmt::format(".{}{}", letters, value(point, field));
  for (const char* field : {"dequant", "layout"})
    id += "." + parameter(field).labels.at(static_cast<size_t>(value(point, field)));
  if (p.output != Output::F16) id += fmt::format(".{}", name(p.output));
  if (p.bias) id += ".bias";
  if (const auto ablated = point.find("ablated"); ablated != point.end() && ablated->second != 0) id += ".ablated";
  return id;
}

std::optional<std::pair<Point, GemmProblem>> parse_variant_id(std::string_view id, const GemmProblem& shape) {
  const auto parts = split(id, '.');
  constexpr size_t fixed = 2 + id_parts.size() + 2;
  if (parts.size() < fixed || parts[0] != "mma") return std::nullopt;
  GemmProblem p = shape;
  p.bias = false;
  p.output = Output::F16;
  bool known = false;
  for (const Scheme scheme : schemes) {
    if (name(scheme) == parts[1]) p.scheme = scheme, known = true;
  }
  if (!known) return std::nullopt;
  Point point;
  for (size_t i = 0; i < id_parts.size(); ++i) {
    const auto& [letters, field] = id_parts[i];
    const std::string_view part = parts[2 + i];
    int number = 0;
    if (part.substr(0, letters.size()) != letters) return std::nullopt;
    const auto [end, error] = std::from_chars(part.data() + letters.size(), part.data() + part.size(), number);
    if (error != std::errc{} || end != part.data() + part.size()) return std::nullopt;
    point[field] = number;
  }
  if (!parse_label(parts[fixed - 2], parameter("dequant"), point)) return std::nullopt;
  if (!parse_label(parts[fixed - 1], parameter("layout"), point)) return std::nullopt;
  for (size_t i = fixed; i < parts.size(); ++i) {
    if (parts[i] == "bf16")
      p.output = Output::BF16;
    else if (parts[i] == "i32")
      p.output = Output::I32;
    else if (parts[i] == "bias")
      p.bias = true;
    else if (parts[i] == "ablated")
      point["ablated"] = 1;
    else
      return std::nullopt;
  }
  return std::pair{point, p};
}

std::string_view sentence(Illegal why) {
  switch (why) {
    case Illegal::No:
      return "";
    case Illegal::WarpTile:
      return "the warp tile is not a whole number of 16×32 fragments, or the k-tile and the group do not divide";
    case Illegal::BlockTile:
      return "the CTA tile is not a whole number of warp tiles";
    case Illegal::Slices:
      return "the K-slices do not divide the k-tile's steps of 32 (w4a4: of 64)";
    case Illegal::Threads:
      return "the CTA does not have 32 to 512 threads";
    case Illegal::Accumulators:
      return "a thread would hold more than 128 accumulators (w4a4: twice 64)";
    case Illegal::Stages:
      return "a pipeline needs two stages";
    case Illegal::Dequant:
      return "the scheme has no such dequantisation";
    case Illegal::Layout:
      return "this dequantisation cannot read this weight layout";
    case Illegal::Output:
      return "the scheme has no int32 sums";
  }
  return "";
}

}  // namespace qoq::gemm
