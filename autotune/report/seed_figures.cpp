// The published figures that led to W4A8, drawn from our rows: what dequantisation costs each scheme over the batch,
// and what batch each scheme could use.
#include "autotune/report/seed_figures.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"
#include "kernels/family.h"

namespace qoq::report {
namespace {

using nlohmann::json;

/// What the published claim says that existing 4-bit schemes lose.
constexpr double claimed_least = 0.2, claimed_most = 0.9;

struct Form {
  const char* scheme;
  const char* dequant;  ///< empty: the scheme has one way
  const char* label;
  bool existing;  ///< what the claim is about: published 4-bit kernels of before
};
constexpr Form forms[] = {
    {"w8a8", "", "W8A8", false},
    {"w4a16-g128", "", "W4A16-g128", true},
    {"w4a4-g128", "", "W4A4-g128", true},
    {"w4a8-channel", "", "W4A8 per channel", false},
    {"w4a8-g128", "vadd4", "W4A8-g128, QServe's vadd4", false},
    {"w4a8-g128", "imad", "W4A8-g128, imad", false},
    {"w4a8-g128", "u8s8", "W4A8-g128, u8s8", false},
};

/// One form's ablated kernels by m.
using Row = std::map<int64_t, const OverheadFacts*>;

/// A layer's rows, in the order of `forms`.
struct Layer {
  int64_t n = 0, k = 0;
  std::array<Row, std::size(forms)> rows;
  size_t cells() const {
    size_t count = 0;
    for (const Row& row : rows) count += row.size();
    return count;
  }
};

/// The fastest of a form, when it has both times: they stand fastest first.
const OverheadFacts* fastest(const ProblemFacts& problem, const Form& form) {
  for (const OverheadFacts& facts : problem.overheads) {
    if (facts.timed() && (*form.dequant == '\0' || facts.dequant == form.dequant)) return &facts;
  }
  return nullptr;
}

/// The layer with the most cells; the smaller one where two have as many.
Layer best_layer(const GpuFacts& gpu) {
  std::map<std::pair<int64_t, int64_t>, Layer> layers;
  for (const ProblemFacts& facts : gpu.problems) {
    if (facts.problem.op != "gemm" || facts.overheads.empty()) continue;
    const Problem problem = Problem::parse(facts.problem.text);
    if (problem.fields.size() != 3) continue;  // m, n and k alone: other outputs and a bias are other work
    Layer& layer = layers[{problem.size("n"), problem.size("k")}];
    layer.n = problem.size("n");
    layer.k = problem.size("k");
    for (size_t i = 0; i < std::size(forms); ++i) {
      const OverheadFacts* found = problem.scheme == forms[i].scheme ? fastest(facts, forms[i]) : nullptr;
      if (found) layer.rows[i][problem.size("m")] = found;
    }
  }
  Layer best;
  for (auto& [shape, layer] : layers) {
    if (layer.cells() > best.cells()) best = std::move(layer);
  }
  return best;
}

std::set<int64_t> sizes_of(const Layer& layer) {
  std::set<int64_t> sizes;
  for (const Row& row : layer.rows) {
    for (const auto& [m, facts] : row) sizes.insert(m);
  }
  return sizes;
}

std::string times_text(const OverheadFacts& facts) {
  return fmt::format("{} / {} µs", time_text(facts.kernel_us), time_text(facts.ablation_us));
}

json make_plot(const Layer& layer, const std::set<int64_t>& sizes) {
  json categories = json::array(), series = json::array();
  for (const int64_t m : sizes) categories.push_back(fmt::format("m = {}", m));
  double least = 0;
  for (size_t i = 0; i < std::size(forms); ++i) {
    if (layer.rows[i].empty()) continue;
    json values = json::array(), texts = json::array();
    bool predicted = false;
    for (const int64_t m : sizes) {
      const auto found = layer.rows[i].find(m);
      if (found == layer.rows[i].end()) {
        values.push_back(nullptr);
        texts.push_back(json::array());
        continue;
      }
      const OverheadFacts& facts = *found->second;
      predicted |= facts.source == store::Source::Predicted;
      least = std::min(least, facts.overhead());
      values.push_back(std::stod(fmt::format("{:.4g}", 100 * facts.overhead())));
      texts.push_back(
          {forms[i].label, facts.kernel,
           fmt::format("{} with and without dequantisation, {}", times_text(facts), store::to_text(facts.source)),
           fmt::format("{} more time, {} of its own", signed_percent_text(facts.overhead()),
                       percent_text(facts.share_of_time()))});
    }
    series.push_back({{"label", forms[i].label}, {"hollow", predicted}, {"values", values}, {"text", texts}});
  }
  json y = {{"label", "t(kernel) / t(ablation) − 1, %"}};
  if (least < 0) y["min"] = std::floor(100 * least);
  return {{"kind", "bars"},
          {"x", {{"label", fmt::format("tokens, n = {}, k = {}", layer.n, layer.k)}, {"categories", categories}}},
          {"y", y},
          {"series", series}};
}

Table make_table(const Layer& layer, const std::set<int64_t>& sizes) {
  Table table;
  table.title = fmt::format("n = {}, k = {}: overhead; below: µs of the kernel / of its ablation", layer.n, layer.k);
  table.columns = {{"scheme", false, "and how it dequantises"}, {"source", false, "of both times"}};
  for (const int64_t m : sizes) table.columns.push_back({fmt::format("m = {}", m), true, ""});
  for (size_t i = 0; i < std::size(forms); ++i) {
    if (layer.rows[i].empty()) continue;
    std::vector<Cell> cells = {
        {.text = forms[i].label},
        {.text = std::string(store::to_text(layer.rows[i].begin()->second->source)), .style = Cell::Style::Badge}};
    for (const int64_t m : sizes) {
      const auto found = layer.rows[i].find(m);
      if (found == layer.rows[i].end()) {
        cells.push_back({.text = "—"});
      } else {
        cells.push_back({.text = signed_percent_text(found->second->overhead()),
                         .note = times_text(*found->second),
                         .hover = found->second->kernel,
                         .number = found->second->overhead()});
      }
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

struct Span {
  double least = INFINITY, most = -INFINITY, least_share = INFINITY, most_share = -INFINITY;
  int count = 0, inside = 0;  ///< values; those that the claim's range holds
  void include(const OverheadFacts& facts) {
    least = std::min(least, facts.overhead());
    most = std::max(most, facts.overhead());
    least_share = std::min(least_share, facts.share_of_time());
    most_share = std::max(most_share, facts.share_of_time());
    ++count;
    inside += facts.overhead() >= claimed_least && facts.overhead() <= claimed_most ? 1 : 0;
  }
};

Span span_of(const Row& row) {
  Span span;
  for (const auto& [m, facts] : row) span.include(*facts);
  return span;
}

std::string span_text(const char* label, const Span& span) {
  return fmt::format("{} {} … {} ({} … {} of its time)", label, signed_percent_text(span.least),
                     signed_percent_text(span.most), percent_text(span.least_share), percent_text(span.most_share));
}

/// The two questions, answered with what came out.
void add_answers(const GpuFacts& gpu, const Layer& layer, Document& document) {
  std::vector<std::string> existing, rest, absent;
  int count = 0, inside = 0;
  for (size_t i = 0; i < std::size(forms); ++i) {
    const Span span = span_of(layer.rows[i]);
    if (span.count == 0) {
      absent.emplace_back(forms[i].label);
      continue;
    }
    (forms[i].existing ? existing : rest).push_back(span_text(forms[i].label, span));
    if (!forms[i].existing) continue;
    count += span.count;
    inside += span.inside;
  }
  std::string text =
      fmt::format("{}. Published: existing 4-bit schemes lose 20 – 90 % to dequantisation on CUDA cores. ", gpu.name());
  if (count == 0) {
    text += "No existing scheme has rows here, so that the claim is not tested. ";
  } else {
    text += fmt::format("Here: {}; {} of {} values lie within 20 – 90 % more time. ", fmt::join(existing, "; "), inside,
                        count);
  }
  if (!rest.empty()) text += fmt::format("What is left for the others: {}.", fmt::join(rest, "; "));
  if (!absent.empty()) text += fmt::format(" Not in the database: {}.", fmt::join(absent, ", "));
  document.add(Paragraph{text});
}

}  // namespace

bool add_overhead_over_m(const GpuFacts& gpu, Document& document) {
  const Layer layer = best_layer(gpu);
  const std::set<int64_t> sizes = sizes_of(layer);
  if (sizes.size() < 2) return false;
  bool predicted = false;
  for (const Row& row : layer.rows) {
    for (const auto& [m, facts] : row) predicted |= facts->source == store::Source::Predicted;
  }
  const std::string source = predicted ? "predicted" : "measured";
  document.add(Heading{3, "Overhead by scheme: " + gpu.name(), gpu.id() + "-overhead-over-m", source});
  add_answers(gpu, layer, document);
  document.add(Figure{.id = gpu.id() + "-overhead-over-m-plot",
                      .title = fmt::format("{}: what dequantisation adds to a GEMM's time ({})", gpu.name(), source),
                      .alt = fmt::format("Grouped bars over the number of tokens, one bar a scheme, on {}; all values "
                                         "are in the table below.",
                                         gpu.name()),
                      .caption = "Each bar: the scheme's fastest kernel beside the same kernel without dequantisation "
                                 "(same loads, same MMAs). Hollow: predicted.",
                      .plot = make_plot(layer, sizes)});
  document.add(make_table(layer, sizes));
  return true;
}

void add_seed_figures(const Facts& facts, Document& document) {
  Document parts;
  for (const GpuFacts& gpu : facts.gpus) {
    add_overhead_over_m(gpu, parts);
    add_attainable(gpu, parts);
  }
  if (parts.blocks.empty()) return;
  document.add(Heading{2, "Why W4A8: the published figures from our rows", "seed-figures", ""});
  for (Block& block : parts.blocks) document.blocks.push_back(std::move(block));
}

}  // namespace qoq::report
