#include "kernels/attention/decode/point.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "kernels/base/error.h"

namespace qoq::attention {

namespace {

/// How each numeric parameter is written in an id, in order.
constexpr std::array<std::pair<std::string_view, const char*>, 7> id_parts{{{"p", "page"},
                                                                            {"tl", "tile"},
                                                                            {"st", "stages"},
                                                                            {"w", "warps"},
                                                                            {"rt", "row_tiles"},
                                                                            {"rw", "resident"},
                                                                            {"sp", "splits"}}};
constexpr std::array id_labels{"orientation", "merge", "layout"};

const Parameter& parameter(std::string_view name) {
  for (const Parameter& p : decode_parameters()) {
    if (p.name == name) return p;
  }
  bad_input("attention/decode has no parameter \"{}\"", name);
}

int value(const Point& point, const char* name) {
  const auto found = point.find(name);
  if (found == point.end()) bad_input("an attention/decode point lacks {}", name);
  return found->second;
}

bool flag(const Point& point, const char* name) {
  const auto found = point.find(name);
  return found != point.end() && found->second != 0;
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

std::optional<int> number_after(std::string_view text, std::string_view letters) {
  int number = 0;
  if (!text.starts_with(letters)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data() + letters.size(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool parse_label(std::string_view text, const Parameter& p, Point& point) {
  for (size_t i = 0; i < p.labels.size(); ++i) {
    if (p.labels[i] == text) return point[p.name] = p.values[i], true;
  }
  return false;
}

/// The words that may follow: what the problem asks for, and marks of the point.
bool parse_word(std::string_view word, Point& point, AttentionProblem& p) {
  if (word == "bf16") return p.element = Element::BF16, true;
  if (word == "cap") return p.cap = std::max(p.cap, 1), true;
  if (word == "checked" || word == "ablated") return point[std::string(word)] = 1, true;
  return false;
}

/// Time of the busiest SM, in tiles at memory's pace: what its CTAs read on average, slower while too little is in
/// flight, or the longest alone; and each round of CTAs' start; splits pay for their merge. A wave's end is no loss
/// here: CTAs share memory, not slots.
double busiest_sm(const DecodeConfig& c, const Device& device, double ctas, double mean_tiles, double most_tiles,
                  bool split) {
  constexpr double saturating_bytes = 40e3;  // in flight on an SM: bandwidth times latency, and some
  constexpr double start = 8, merge = 6;
  const int64_t by_shared = device.shared_per_sm_bytes / (c.shared_bytes() + device.shared_reserved_bytes);
  const double slots = static_cast<double>(std::clamp<int64_t>(by_shared, 1, c.least_ctas()));
  const double mine = std::ceil(ctas / device.sm_count);
  const double one_in_flight = 1.0 * c.warps * (c.stages - 1) * c.stage_bytes();
  const auto pace = [&](double resident) { return std::min(1.0, resident * one_in_flight / saturating_bytes); };
  return std::max(mine * mean_tiles / pace(std::min(mine, slots)), most_tiles / pace(1)) +
         start * std::ceil(mine / slots) + (split ? merge : 0);
}

}  // namespace

const std::vector<Parameter>& decode_parameters() {
  static const std::vector<Parameter> parameters{
      {"page", "tokens a page of the cache", {16, 32, 64, 128}, {}},
      {"tile", "tokens a warp loads and multiplies at a time", {16, 32, 64}, {}},
      {"stages", "tiles in flight per warp", {2, 3, 4, 6}, {}},
      {"warps", "warps of a CTA, along the tokens", {1, 2, 3, 4, 6, 8}, {}},
      {"row_tiles", "tiles of 8 or 16 query rows that one dequantisation serves", {1, 2}, {}},
      {"resident", "warps of an SM that registers must leave room for", {8, 12, 16}, {}},
      {"splits",
       "CTAs that share a sequence; auto: from the batch and its lengths",
       {0, 1, 2, 4, 8, 16, 32},
       {"auto", "1", "2", "4", "8", "16", "32"}},
      {"orientation", "what lies on the tensor cores' M side", {0, 1}, {"tokens", "heads"}},
      {"merge", "who puts splits together: the last CTA, or a second kernel", {0, 1}, {"kernel", "second"}},
      {"layout", "how a page lies in memory", {0, 1}, {"qserve", "fragment"}},
  };
  return parameters;
}

Point default_decode_point() {
  return {{"page", 64},     {"tile", 64},  {"stages", 3},      {"warps", 2}, {"row_tiles", 1},
          {"resident", 12}, {"splits", 0}, {"orientation", 0}, {"merge", 0}, {"layout", 1}};
}

DecodeVariant DecodeVariant::from(const Point& point, const AttentionProblem& p) {
  DecodeVariant v{};
  DecodeConfig& c = v.config;
  c.scheme = p.scheme;
  c.element = p.element;
  c.head_dim = p.head_dim;
  c.cap = p.cap > 0;
  c.layout = static_cast<Layout>(value(point, "layout"));
  c.orientation = static_cast<Orientation>(value(point, "orientation"));
  c.merge = static_cast<Merge>(value(point, "merge"));
  c.page = value(point, "page");
  c.tile = value(point, "tile");
  c.stages = value(point, "stages");
  c.warps = value(point, "warps");
  c.row_tiles = value(point, "row_tiles");
  c.resident = value(point, "resident");
  c.checked = flag(point, "checked");
  c.ablated = flag(point, "ablated");
  v.splits = value(point, "splits");
  c.split = v.splits != 1;
  return v;
}

Splits splits_of(const DecodeVariant& v, const AttentionProblem& p, const Device& device) {
  if (v.splits != 0) return {v.splits, 1};
  const DecodeConfig& c = v.config;
  const int tiles = v.tiles(p.seen(p.longest())) + (p.window > 0 ? 1 : 0);  // a window seldom begins with a tile
  const double mean = static_cast<double>(p.seen_tokens()) / p.batch / c.tile;
  int best = tiles;
  double least = std::numeric_limits<double>::infinity();
  for (int count = 1; count <= most_splits && count <= (tiles + c.warps - 1) / c.warps; ++count) {
    const int each = (tiles + count - 1) / count;
    const double ctas = static_cast<double>(v.groups(p)) * std::max(1.0, mean / each);
    const double time = busiest_sm(c, device, ctas, std::min<double>(each, mean), each, count > 1);
    if (time < least * 0.99) least = time, best = each;
  }
  return {(tiles + best - 1) / best, best};
}

std::string variant_id(const Point& point, const AttentionProblem& p) {
  std::string id = fmt::format("decode.{}.dh{}", name(p.scheme), p.head_dim);
  for (const auto& [letters, field] : id_parts) id += fmt::format(".{}{}", letters, value(point, field));
  for (const char* field : id_labels) id += "." + parameter(field).labels.at(static_cast<size_t>(value(point, field)));
  if (p.element == Element::BF16) id += ".bf16";
  if (p.cap > 0) id += ".cap";
  for (const char* mark : {"checked", "ablated"}) {
    if (flag(point, mark)) id += fmt::format(".{}", mark);
  }
  return id;
}

std::optional<std::pair<Point, AttentionProblem>> parse_variant_id(std::string_view id, const AttentionProblem& shape) {
  const auto parts = split(id, '.');
  constexpr size_t fixed = 3 + id_parts.size() + id_labels.size();
  if (parts.size() < fixed || parts[0] != "decode") return std::nullopt;
  AttentionProblem p = shape;
  p.element = Element::F16;
  const bool has_cap = std::find(parts.begin() + fixed, parts.end(), "cap") != parts.end();
  if (!has_cap) p.cap = 0;
  bool known = false;
  for (const Scheme scheme : {Scheme::Kv4, Scheme::Kv8, Scheme::Kv16}) {
    if (name(scheme) == parts[1]) p.scheme = scheme, known = true;
  }
  const auto head_dim = number_after(parts[2], "dh");
  if (!known || !head_dim) return std::nullopt;
  p.head_dim = *head_dim;
  Point point;
  for (size_t i = 0; i < id_parts.size(); ++i) {
    const auto number = number_after(parts[3 + i], id_parts[i].first);
    if (!number) return std::nullopt;
    point[id_parts[i].second] = *number;
  }
  for (size_t i = 0; i < id_labels.size(); ++i) {
    if (!parse_label(parts[3 + id_parts.size() + i], parameter(id_labels[i]), point)) return std::nullopt;
  }
  for (size_t i = fixed; i < parts.size(); ++i) {
    if (!parse_word(parts[i], point, p)) return std::nullopt;
  }
  if (p.page != 0) p.page = point["page"];
  return std::pair{point, p};
}

std::string_view sentence(Illegal why) {
  switch (why) {
    case Illegal::No:
      return "";
    case Illegal::HeadDim:
      return "heads have 64, 128 or 256 channels";
    case Illegal::Page:
      return "pages have 16, 32, 64 or 128 tokens";
    case Illegal::Tile:
      return "a tile has 16, 32 or 64 tokens and lies within a page";
    case Illegal::Stages:
      return "a pipeline needs two stages";
    case Illegal::Warps:
      return "a CTA has 1 to 16 warps";
    case Illegal::RowTiles:
      return "a CTA has 1 to 4 row tiles";
    case Illegal::Registers:
      return "queries, scores and outputs would not fit into a thread's registers";
    case Illegal::Ablation:
      return "only kv4 and kv8 in the fragment layout have a no-dequant ablation";
  }
  return "";
}

}  // namespace qoq::attention
