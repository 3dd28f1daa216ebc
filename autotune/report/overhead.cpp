// What the CUDA cores cost: each chosen kernel beside the same kernel without its dequantisation.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

Cell missing(std::string why = "") { return {.text = "—", .note = std::move(why)}; }

Cell instruction_cell(const std::optional<InstructionFacts>& facts, const std::string& why) {
  if (!facts) return missing(shorten(why, 80));
  return {.text = fmt::format("{:.2f}", facts->per_element),
          .note = fmt::format("{:.2f} per one taken", facts->per_taken),
          .number = facts->per_element};
}

Cell issue_cell(const OverheadFacts& facts) {
  if (!facts.whole || !facts.dequantisation) return missing();
  return {.text = percent_text(facts.dequantisation->share_of_issue),
          .note = "all of them " + percent_text(facts.whole->share_of_issue),
          .number = facts.dequantisation->share_of_issue,
          .share = std::clamp(facts.dequantisation->share_of_issue, 0.0, 1.0)};
}

Cell busy_cell(const OverheadFacts& facts) {
  if (!facts.cuda_core_time) return missing();
  std::string note = facts.issue_time ? "issue slots " + percent_text(*facts.issue_time) : "";
  return {.text = percent_text(*facts.cuda_core_time), .note = std::move(note), .number = *facts.cuda_core_time};
}

Cell overhead_cell(const OverheadFacts& facts) {
  std::string note = percent_text(facts.share_of_time()) + " of its time";
  if (facts.source == store::Source::Measured) note += fmt::format(", ± {}", percent_text(facts.noise));
  return {.text = signed_percent_text(facts.overhead()), .note = note, .number = facts.overhead()};
}

/// Beside the scheme's fastest ablation: a form that chose another tile may lose by the tile what its own pair hides.
Cell against_best_cell(const ProblemFacts& problem, const OverheadFacts& facts) {
  double best_us = facts.ablation_us;
  for (const OverheadFacts& other : problem.overheads) {
    if (other.timed() && other.source == facts.source) best_us = std::min(best_us, other.ablation_us);
  }
  const double loss = facts.kernel_us / best_us - 1;
  return {.text = signed_percent_text(loss), .note = fmt::format("{} µs", time_text(best_us)), .number = loss};
}

Cell predicted_cell(const OverheadFacts& facts) {
  if (!facts.predicted_too()) return missing();
  return {
      .text = signed_percent_text(facts.predicted_overhead()),
      .note = fmt::format("{} / {} µs", time_text(facts.predicted_kernel_us), time_text(facts.predicted_ablation_us)),
      .number = facts.predicted_overhead()};
}

std::vector<Cell> make_row(const ProblemFacts& problem, const OverheadFacts& facts, bool predicted_too) {
  const char* which = facts.kernel == problem.chosen_variant ? "the chosen kernel"
                      : facts.best_of_form                   ? "the fastest of this form"
                                                             : "the race's winner";
  const std::string name = facts.dequant.empty() ? problem.problem.scheme : facts.dequant;
  std::vector<Cell> cells = {
      {.text = shorten(problem.problem.text, 90), .style = Cell::Style::Code, .hover = facts.kernel},
      {.text = name, .note = which}};
  if (!facts.timed()) {
    cells.insert(cells.end(), {missing(), missing(), missing(shorten(facts.reason, 100)), missing()});
  } else {
    cells.insert(cells.end(),
                 {{.text = fmt::format("{} / {}", time_text(facts.kernel_us), time_text(facts.ablation_us)),
                   .number = facts.kernel_us},
                  {.text = std::string(store::to_text(facts.source)), .style = Cell::Style::Badge},
                  overhead_cell(facts),
                  against_best_cell(problem, facts)});
  }
  if (predicted_too) cells.push_back(predicted_cell(facts));
  cells.insert(cells.end(),
               {instruction_cell(facts.whole, facts.uncounted), instruction_cell(facts.dequantisation, facts.uncounted),
                issue_cell(facts), busy_cell(facts)});
  return cells;
}

Table make_table(const GpuFacts& gpu, bool predicted_too) {
  Table table{.title = "", .columns = {}, .rows = {}, .searchable = true};
  table.columns = {
      {"problem", false, ""},
      {"dequantisation", false, "how; the scheme's name where it has no choice"},
      {"µs: kernel / ablation", true, "the ablation does the same loads and the same MMAs, nothing between"},
      {"source", false, "of both times"},
      {"overhead", true, "t(kernel) / t(ablation) − 1; below: the same as a share of the kernel's time"},
      {"against the scheme's best ablation", true,
       "t(kernel) / t(fastest ablation of any form of this scheme and problem) − 1; below: that ablation's µs"}};
  if (predicted_too)
    table.columns.push_back({"predicted", true, "the overhead that the model says for the same two kernels"});
  table.columns.insert(
      table.columns.end(),
      {{"instructions an element", true,
        "CUDA-core instructions of a thread per stored weight or cached element, the whole kernel; below: per element "
        "that a warp takes into its registers (each warp along m takes it once more)"},
       {"of them dequantisation", true, "kernel less ablation"},
       {"share of issue", true,
        "dequantisation's instructions of all that the kernel issues; below: all CUDA-core ones"},
       {"CUDA cores busy", true,
        "predicted: what the busiest CUDA-core pipe would take alone, of the kernel's predicted time; it overlaps with "
        "the rest"}});
  for (const ProblemFacts& problem : gpu.problems) {
    for (const OverheadFacts& facts : problem.overheads) table.rows.push_back(make_row(problem, facts, predicted_too));
  }
  return table;
}

}  // namespace

void add_overhead(const GpuFacts& gpu, Document& document) {
  if (gpu.problems.empty()) return;
  bool any = false, measured = false, predicted = false, predicted_too = false;
  for (const ProblemFacts& problem : gpu.problems) {
    for (const OverheadFacts& facts : problem.overheads) {
      any = true;
      measured |= facts.timed() && facts.source == store::Source::Measured;
      predicted |= facts.timed() && facts.source == store::Source::Predicted;
      predicted_too |= facts.predicted_too();
    }
  }
  const std::string badge = measured && predicted ? "measured and predicted"
                            : measured            ? "measured"
                            : predicted           ? "predicted"
                                                  : "";
  document.add(Heading{3, "CUDA-core overhead", gpu.id() + "-overhead", badge});
  if (!any) {
    document.add(
        Paragraph{"The database holds no ablations for this GPU: tune makes them unless it is told --skip ablations."});
    return;
  }
  if (predicted) {
    document.add(
        Paragraph{"The times here are predicted: they say what the model makes of the machine code, and no GPU has "
                  "confirmed them. The instruction counts are read from the compiled kernels."});
  }
  document.add(Paragraph{
      "An overhead compares a kernel with the same tile without its dequantisation. Where the best kernels of "
      "two forms have different tiles, their overheads do not rank the forms: the column beside it holds all "
      "forms of a scheme against the one ablation that is fastest."});
  document.add(make_table(gpu, predicted_too));
}

}  // namespace qoq::report
