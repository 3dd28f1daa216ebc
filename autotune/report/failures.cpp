// What became of every candidate, and why those that failed did.
#include <fmt/format.h>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

constexpr size_t kShown = 25;

}  // namespace

void add_failures(const GpuFacts& gpu, Document& document) {
  document.add(Heading{3, "Outcomes", gpu.id() + "-failures", ""});
  std::string counts;
  for (auto [outcome, count] : gpu.outcomes) {
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count_text(count), store::to_text(outcome));
  }
  if (gpu.ablations > 0) counts += fmt::format("; besides, {}", plural(gpu.ablations, "no-dequant ablation"));
  if (gpu.baselines > 0) counts += fmt::format("; besides, {} of other libraries", plural(gpu.baselines, "baseline"));
  document.add(
      Paragraph{fmt::format("{}: {}.", plural(gpu.candidates, "candidate"), counts.empty() ? "none" : counts)});
  if (gpu.failures.empty()) {
    document.add(Paragraph{"Nothing failed."});
    return;
  }
  Table table{.columns = {{"outcome", false, ""},
                          {"candidates", true, ""},
                          {"reason", false, "reasons that differ in their numbers only are counted together"},
                          {"for example", false, ""}}};
  int64_t rest = 0;
  for (size_t i = 0; i < gpu.failures.size(); ++i) {
    const FailureGroup& group = gpu.failures[i];
    if (i >= kShown) {
      rest += group.count;
      continue;
    }
    table.rows.push_back(
        {{.text = std::string(store::to_text(group.outcome)), .style = Cell::Style::Badge},
         {.text = count_text(group.count), .number = static_cast<double>(group.count)},
         {.text = shorten(group.reason, 300), .note = group.numbers_vary ? "and the same with other numbers" : ""},
         {.text = group.example_variant, .style = Cell::Style::Code, .note = group.example_problem}});
  }
  document.add(std::move(table));
  if (rest > 0) {
    document.add(Paragraph{fmt::format("{} with {} more; candidates.csv has them all.", plural(rest, "candidate"),
                                       plural(static_cast<int64_t>(gpu.failures.size() - kShown), "reason"))});
  }
}

}  // namespace qoq::report
