// The GPU's ceilings, and one point a chosen kernel.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

using nlohmann::json;
using roofline::Ceiling;

/// Six digits: what a plot can use, and a file a third the size.
double rounded(double value) { return std::stod(fmt::format("{:.6g}", value)); }

double ops_per_byte(const store::ProblemRow& problem) {
  double bytes = problem.read_bytes + problem.write_bytes;
  return bytes > 0 ? problem.ops / bytes : 0;
}
double tops(const ProblemFacts& facts) { return facts.problem.ops / *facts.chosen->median_us * 1e-6; }

/// A problem without operations (a read of memory) has no place on logarithmic axes.
bool drawable(const ProblemFacts& facts) { return facts.listed && facts.timed() && ops_per_byte(facts.problem) > 0; }

/// The ceilings that bound these problems: DRAM (the x axis counts its bytes), the tensor rates of their arithmetics,
/// the CUDA cores.
std::vector<Ceiling> drawn_ceilings(const GpuFacts& gpu) {
  std::set<std::string> arithmetics;
  for (const ProblemFacts& facts : gpu.problems) {
    if (drawable(facts)) arithmetics.insert(facts.problem.arithmetic);
  }
  std::vector<Ceiling> drawn;
  for (const Ceiling& ceiling : gpu.ceilings) {
    bool wanted = ceiling.kind == Ceiling::Kind::CudaCore;
    if (ceiling.kind == Ceiling::Kind::Memory) wanted = ceiling.name.starts_with("DRAM");
    // "int8" and "int8, mma.sync" are both rates of int8.
    if (ceiling.kind == Ceiling::Kind::Tensor)
      wanted = arithmetics.contains(ceiling.name.substr(0, ceiling.name.find(',')));
    if (wanted && ceiling.value > 0) drawn.push_back(ceiling);
  }
  return drawn;
}

struct Range {
  double least = INFINITY, most = 0;
  void include(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

double best_memory_gbps(const std::vector<Ceiling>& ceilings) {
  double best = 0;
  for (const Ceiling& c : ceilings) {
    if (c.kind == Ceiling::Kind::Memory) best = std::max(best, c.value);
  }
  return best;
}

/// A memory ceiling rises to the highest compute ceiling; a compute ceiling starts where the best memory reaches it.
json ceiling_line(const Ceiling& ceiling, double top_tops, double best_gbps, const Range& x) {
  bool memory = ceiling.kind == Ceiling::Kind::Memory;
  json points;
  if (memory) {
    double ridge = std::min(x.most, top_tops / ceiling.value * 1000);
    points = {{rounded(x.least), rounded(ceiling.value * x.least / 1000)},
              {rounded(ridge), rounded(ceiling.value * ridge / 1000)}};
  } else {
    double begin = best_gbps > 0 ? std::max(x.least, ceiling.value / best_gbps * 1000) : x.least;
    points = {{rounded(begin), rounded(ceiling.value)}, {rounded(x.most), rounded(ceiling.value)}};
  }
  // What is drawn as the lesser of two: a measured bandwidth, a part of a tensor rate.
  const bool lesser = memory ? ceiling.name != "DRAM (listed)" : ceiling.name.find(", mma.sync") != std::string::npos;
  const char* kind = memory ? "memory" : ceiling.kind == Ceiling::Kind::Tensor ? "tensor" : "cuda_core";
  return {{"label", ceiling.name + "  " + rate_text(ceiling.value, memory ? "GB/s" : "TOPS")},
          {"kind", kind},
          {"lesser", lesser},
          {"points", points}};
}

json point(const ProblemFacts& facts) {
  const store::Candidate& row = *facts.chosen;
  double x = ops_per_byte(facts.problem), y = tops(facts);
  json text = {facts.label.empty() ? facts.problem.text : facts.problem.text + "  (" + facts.label + ")", row.variant,
               fmt::format("{} µs, {}", time_text(*row.median_us), store::to_text(row.source)),
               fmt::format("{:.4g} TOPS at {:.4g} operations a byte", y, x)};
  if (row.speed_of_light_us > 0) {
    text.push_back(fmt::format("{} of the speed of light ({} µs)", percent_text(row.speed_of_light_us / *row.median_us),
                               time_text(row.speed_of_light_us)));
  }
  return {{"x", rounded(x)}, {"y", rounded(y)}, {"text", text}, {"source", store::to_text(row.source)}};
}

/// More series than this, and a legend no longer tells them apart.
constexpr size_t kMostSeries = 8;

/// The operators that have points, in the problems' order.
std::vector<std::string> drawn_operators(const GpuFacts& gpu) {
  std::vector<std::string> operators;
  for (const ProblemFacts& facts : gpu.problems) {
    const std::string& op = facts.problem.op;
    if (drawable(facts) && std::ranges::find(operators, op) == operators.end()) operators.push_back(op);
  }
  return operators;
}

/// What is timed and cannot be drawn, by operator: "ceiling".
std::string undrawn_operators(const GpuFacts& gpu) {
  std::set<std::string> operators;
  for (const ProblemFacts& facts : gpu.problems) {
    if (facts.listed && facts.timed() && !drawable(facts)) operators.insert(facts.problem.op);
  }
  return fmt::format("{}", fmt::join(operators, ", "));
}

/// One series for each weight matrix or cache while there are few, one for each scheme otherwise. The first operator's
/// points are filled, others hollow.
json make_series(const GpuFacts& gpu) {
  const std::vector<std::string> operators = drawn_operators(gpu);
  std::set<std::string> schemes, matrices;
  for (const ProblemFacts& facts : gpu.problems) {
    if (!drawable(facts)) continue;
    schemes.insert(facts.problem.op + " " + facts.problem.scheme);
    matrices.insert(facts.problem.op + " " + facts.problem.scheme + " " + facts.problem.layout_group);
  }
  bool by_matrix = matrices.size() <= kMostSeries;
  json series = json::array();
  std::string current;
  for (const ProblemFacts& facts : gpu.problems) {
    if (!drawable(facts)) continue;
    const store::ProblemRow& problem = facts.problem;
    std::string key = problem.op + " " + problem.scheme + (by_matrix ? " " + problem.layout_group : "");
    if (series.empty() || key != current) {
      std::string label = by_matrix && schemes.size() == 1     ? problem.layout_group
                          : by_matrix && operators.size() == 1 ? problem.scheme + " " + problem.layout_group
                                                               : key;
      if (by_matrix && !facts.label.empty()) label += fmt::format(" ({})", shorten(facts.label, 40));
      series.push_back({{"label", label},
                        {"connected", by_matrix},
                        {"hollow", problem.op != operators.front()},
                        {"points", json::array()}});
      current = key;
    }
    series.back()["points"].push_back(point(facts));
  }
  return series;
}

json make_plot(const GpuFacts& gpu, const std::vector<Ceiling>& ceilings) {
  Range x, y;
  for (const ProblemFacts& facts : gpu.problems) {
    if (!drawable(facts)) continue;
    x.include(ops_per_byte(facts.problem));
    y.include(tops(facts));
  }
  double top = 0, best_gbps = best_memory_gbps(ceilings);
  for (const Ceiling& ceiling : ceilings) {
    if (ceiling.kind == Ceiling::Kind::Memory) continue;
    top = std::max(top, ceiling.value);
    y.include(ceiling.value);
    if (best_gbps > 0) x.include(ceiling.value / best_gbps * 1000);
  }
  x = {x.least / 2, x.most * 6};  // room for the ceilings' names at the right
  y = {y.least / 2, y.most * 2};
  json lines = json::array();
  for (const Ceiling& ceiling : ceilings) {
    lines.push_back(ceiling_line(ceiling, top > 0 ? top : y.most, best_gbps, x));
  }
  return {{"x", {{"label", "operations per DRAM byte"}, {"min", rounded(x.least)}, {"max", rounded(x.most)}}},
          {"y", {{"label", "TOPS"}, {"min", rounded(y.least)}, {"max", rounded(y.most)}}},
          {"lines", lines},
          {"series", make_series(gpu)}};
}

}  // namespace

void add_roofline(const GpuFacts& gpu, Document& document) {
  document.add(Heading{3, "Roofline", gpu.id() + "-roofline", ""});
  auto drawn = std::count_if(gpu.problems.begin(), gpu.problems.end(), drawable);
  if (drawn == 0) {
    document.add(Paragraph{"No chosen kernel has both a time and operations: there is nothing to draw."});
    return;
  }
  std::vector<Ceiling> ceilings = drawn_ceilings(gpu);
  if (ceilings.empty())
    document.add(Paragraph{"The database holds no ceilings for this GPU: the points are drawn alone."});
  std::string names;
  for (const Ceiling& ceiling : ceilings) {
    bool memory = ceiling.kind == Ceiling::Kind::Memory;
    names += (names.empty() ? "" : ", ") + ceiling.name + " " + rate_text(ceiling.value, memory ? "GB/s" : "TOPS");
  }
  std::string caption =
      "x: operations over the least bytes the problem must move (each input and output once), so tall is fast and the "
      "roof is the speed of light.";
  if (const auto operators = drawn_operators(gpu); operators.size() > 1) {
    caption += fmt::format(" Filled points are {}, hollow ones {}.", operators.front(),
                           fmt::join(operators.begin() + 1, operators.end(), ", "));
  }
  if (const std::string undrawn = undrawn_operators(gpu); !undrawn.empty())
    caption += fmt::format(" Not drawn: {}, which only moves bytes.", undrawn);
  if (!std::ranges::all_of(gpu.problems, &ProblemFacts::listed))
    caption += fmt::format(" Drawn are the {} that take most of the job's time, of {}.", plural(drawn, "problem"),
                           count_text(static_cast<int64_t>(gpu.problems.size())));
  document.add(Figure{
      .id = gpu.id() + "-roofline-plot",
      .title = fmt::format("{}: chosen kernels under the roofline ({})", gpu.name(), gpu.source()),
      .alt =
          fmt::format("Log-log roofline of {}: {} {} under the ceilings {}. The same numbers are in the table below.",
                      gpu.name(), plural(drawn, "chosen kernel"), gpu.source(), names.empty() ? "(none)" : names),
      .caption = caption,
      .plot = make_plot(gpu, ceilings)});
}

}  // namespace qoq::report
