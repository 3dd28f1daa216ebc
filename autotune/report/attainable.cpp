// What a GPU's ceilings allow a GEMM over the batch: each token's operations on a weight that is read once.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "autotune/report/seed_figures.h"
#include "autotune/report/text.h"
#include "kernels/family.h"
#include "roofline/model/ceilings.h"

namespace qoq::report {
namespace {

using nlohmann::json;
using roofline::Ceiling;

struct Scheme {
  const char* label;
  const char* arithmetic;               ///< the ceiling's name
  double weight_bytes;                  ///< without scales
  double published_a100;                ///< batch from which the tensor cores bound it, at 2 TB/s (QServe's paper)
  std::array<const char*, 2> problems;  ///< our schemes whose kernels stand beside it
};
constexpr Scheme schemes[] = {{"W4A16", "fp16", 0.5, 39, {"w4a16-g128", ""}},
                              {"W8A8", "int8", 1, 156, {"w8a8", ""}},
                              {"W4A8", "int8", 0.5, 78, {"w4a8-g128", "w4a8-channel"}}};
constexpr double published_crossing = 78;  // W4A16 and W8A8
constexpr double widest = 1024;            // tokens on the x axis

const Ceiling* find(const GpuFacts& gpu, Ceiling::Kind kind, std::string_view name) {
  for (const Ceiling& ceiling : gpu.ceilings) {
    if (ceiling.kind == kind && ceiling.name == name && ceiling.value > 0) return &ceiling;
  }
  return nullptr;
}

/// Tokens at which reading the weights takes as long as multiplying them: 2 operations a weight and token.
double turning_point(const Ceiling& memory, const Ceiling& compute, double weight_bytes) {
  return roofline::ridge_ops_per_byte(memory, compute) * weight_bytes / 2;
}

double rounded(double value) { return std::stod(fmt::format("{:.5g}", value)); }

json roof(const Scheme& scheme, const Ceiling& memory, const Ceiling& compute) {
  json points = json::array();
  const double turn = turning_point(memory, compute, scheme.weight_bytes);
  for (const double m : {1.0, std::min(turn, widest), widest}) {
    const double tops = roofline::attainable_tops(memory, compute, 2 * m / scheme.weight_bytes);
    points.push_back({{"x", rounded(m)},
                      {"y", rounded(tops)},
                      {"text", {fmt::format("{}: at most {:.4g} TOPS at {:.4g} tokens", scheme.label, tops, m)}}});
  }
  return {{"label", fmt::format("{}, at most (turns at {:.0f})", scheme.label, turn)},
          {"connected", true},
          {"plain", true},
          {"hollow", false},
          {"points", points}};
}

/// The chosen kernels of a scheme's largest layer.
json reached(const GpuFacts& gpu, const Scheme& scheme) {
  std::map<int64_t, std::map<int64_t, const ProblemFacts*>> layers;  // by n · k, then m
  for (const ProblemFacts& facts : gpu.problems) {
    if (!facts.timed() || facts.problem.op != "gemm" ||
        std::ranges::find(scheme.problems, facts.problem.scheme) == scheme.problems.end())
      continue;
    const Problem problem = Problem::parse(facts.problem.text);
    const ProblemFacts*& place = layers[problem.size("n") * problem.size("k")][problem.size("m")];
    if (!place || *facts.chosen->median_us < *place->chosen->median_us) place = &facts;
  }
  json points = json::array();
  bool predicted = false;
  if (layers.empty()) return {};
  for (const auto& [m, facts] : layers.rbegin()->second) {
    const double tops = facts->problem.ops / *facts->chosen->median_us * 1e-6;
    predicted |= facts->chosen->source == store::Source::Predicted;
    points.push_back({{"x", static_cast<double>(m)},
                      {"y", rounded(tops)},
                      {"text",
                       {facts->problem.text, facts->chosen->variant,
                        fmt::format("{:.4g} TOPS, {} µs {}", tops, time_text(*facts->chosen->median_us),
                                    store::to_text(facts->chosen->source))}}});
  }
  return {{"label", fmt::format("{}, chosen kernels ({})", scheme.label, predicted ? "predicted" : "measured")},
          {"connected", false},
          {"hollow", predicted},
          {"points", points}};
}

Table turning_points(const GpuFacts& gpu, const Ceiling& memory) {
  const bool a100 = gpu.name().find("A100") != std::string::npos;
  Table table;
  table.columns = {
      {"what", false, ""},
      {"tokens", true,
       fmt::format("from {}: {} and the listed tensor rates", gpu.name(), rate_text(memory.value, "GB/s"))}};
  if (a100) table.columns.push_back({"published", true, "QServe's paper, for an A100 at 2 TB/s"});
  const auto add = [&](std::string what, double tokens, double published) {
    std::vector<Cell> cells = {{.text = std::move(what)}, {.text = fmt::format("{:.1f}", tokens), .number = tokens}};
    if (a100)
      cells.push_back(
          {.text = fmt::format("{:.0f}", published), .note = signed_percent_text(tokens / published - 1) + " ours"});
    table.rows.push_back(std::move(cells));
  };
  const Ceiling* fp16 = find(gpu, Ceiling::Kind::Tensor, "fp16");
  const Ceiling* int8 = find(gpu, Ceiling::Kind::Tensor, "int8");
  if (fp16 && int8) add("W8A8 overtakes W4A16", turning_point(memory, *fp16, 1), published_crossing);
  for (const Scheme& scheme : schemes) {
    const Ceiling* compute = find(gpu, Ceiling::Kind::Tensor, scheme.arithmetic);
    if (compute)
      add(fmt::format("{} is bound by the tensor cores from", scheme.label),
          turning_point(memory, *compute, scheme.weight_bytes), scheme.published_a100);
  }
  return table;
}

}  // namespace

bool add_attainable(const GpuFacts& gpu, Document& document) {
  const Ceiling* memory = find(gpu, Ceiling::Kind::Memory, "DRAM (listed)");
  json series = json::array();
  for (const Scheme& scheme : schemes) {
    const Ceiling* compute = find(gpu, Ceiling::Kind::Tensor, scheme.arithmetic);
    if (memory && compute) series.push_back(roof(scheme, *memory, *compute));
  }
  bool any = false;
  for (const Scheme& scheme : schemes) {
    json points = reached(gpu, scheme);
    if (points.is_null()) continue;
    any = true;
    series.push_back(std::move(points));
  }
  if (!memory || !any) return false;
  double top = 0;
  for (const json& each : series) {
    for (const json& point : each["points"]) top = std::max(top, point["y"].get<double>());
  }
  document.add(
      Heading{3, "Attainable throughput over the batch: " + gpu.name(), gpu.id() + "-attainable", gpu.source()});
  document.add(Figure{
      .id = gpu.id() + "-attainable-plot",
      .title = fmt::format("{}: attainable TOPS over the batch", gpu.name()),
      .alt = fmt::format("Log-log plot for {}: the most that W4A16, W8A8 and W4A8 can reach over the number of tokens, "
                         "and what chosen kernels reach. The turning points are in the table below.",
                         gpu.name()),
      .caption =
          "Lines: weights read once at the listed bandwidth, tokens' operations at the listed tensor rate; "
          "activations and scales left out, as in the published figure. Points: chosen kernels of the largest layer.",
      .plot = {{"x", {{"label", "tokens"}, {"min", 1}, {"max", widest}}},
               {"y", {{"label", "TOPS"}, {"min", 1}, {"max", rounded(1.5 * top)}}},
               {"lines", json::array()},
               {"series", series}}});
  document.add(turning_points(gpu, *memory));
  return true;
}

}  // namespace qoq::report
