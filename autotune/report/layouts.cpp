// One layout can be deployed per weight matrix, and per cache: which one, and what that costs.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

/// Sums over a job are too long for µs.
std::string sum_text(double time_us) { return fmt::format("{:.3f}", time_us / 1000); }

}  // namespace

void add_layouts(const GpuFacts& gpu, Document& document) {
  document.add(Heading{3, "Layouts", gpu.id() + "-layouts", ""});
  const auto deployed = [](const LayoutChoice& choice) { return choice.op != "ceiling"; };
  if (std::ranges::none_of(gpu.layouts, deployed)) {
    document.add(Paragraph{"No layout was chosen: the choices above are the fastest rows, whatever layout they read."});
    return;
  }
  Table table{
      .columns = {{"weights or cache", false,
                   "problems of this scheme and size read the same weights or cache, so they share one layout"},
                  {"layout", false, ""},
                  {"weighted ms", true, "Σ weight × time over the group's problems, in the chosen layout"},
                  {"free choice", true, "the same sum if every problem could take its own layout"},
                  {"cost", true, "chosen / free − 1"},
                  {"other layouts", false, "their weighted time; a sum over fewer problems is not comparable"}}};
  double chosen = 0, free = 0;
  for (const LayoutChoice& choice : gpu.layouts) {
    if (!deployed(choice)) continue;  // nobody deploys what only reads memory: it belongs in no sum
    std::string others;
    for (const auto& [layout, cost_us] : choice.others) {
      others += fmt::format("{}{} {} ms", others.empty() ? "" : ", ", layout, sum_text(cost_us));
    }
    double cost = choice.free_us > 0 ? choice.chosen_us / choice.free_us - 1 : 0;
    auto unserved = static_cast<int64_t>(choice.unserved.size());
    table.rows.push_back(
        {{.text = fmt::format("{} {} {}", choice.op, choice.scheme, choice.group), .style = Cell::Style::Code},
         {.text = choice.layout.empty() ? "none" : choice.layout,
          .note = unserved > 0 ? plural(unserved, "problem") + " without a usable row" : ""},
         {.text = sum_text(choice.chosen_us), .number = choice.chosen_us},
         {.text = sum_text(choice.free_us), .number = choice.free_us},
         {.text = signed_percent_text(cost), .number = cost},
         {.text = others.empty() ? "—" : others}});
    chosen += choice.chosen_us;
    free += choice.free_us;
  }
  document.add(Paragraph{
      fmt::format("One layout per weight matrix or cache: {} ms weighted, against {} ms with a free choice ({}).",
                  sum_text(chosen), sum_text(free), signed_percent_text(free > 0 ? chosen / free - 1 : 0))});
  document.add(std::move(table));
}

}  // namespace qoq::report
