// What was tuned, how good it is, and how far its numbers can be trusted.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

std::string list_names(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

void add_banner(const Facts& facts, Document& document) {
  if (facts.candidates == 0) {
    document.add(
        Banner{"The database holds no candidates: nothing was tuned yet. Fill it with: qoqtune tune JOB.yaml"});
    return;
  }
  std::vector<std::string> predicted, mixed, untimed;
  for (const GpuFacts& gpu : facts.gpus) {
    if (gpu.source() == "predicted") predicted.push_back(gpu.name());
    if (gpu.source() == "measured and predicted") mixed.push_back(gpu.name());
    if (gpu.source() == "no times") untimed.push_back(gpu.name());
  }
  if (!predicted.empty() && predicted.size() == facts.gpus.size()) {
    document.add(
        Banner{"Predicted, not measured. Every time in this report comes from the performance model; no GPU "
               "has run these kernels for it."});
  } else if (!predicted.empty()) {
    document.add(Banner{"Predicted, not measured: every time for " + list_names(predicted) + "."});
  }
  if (!mixed.empty()) {
    document.add(Banner{"Partly predicted: " + list_names(mixed) + ". Each row bears its source."});
  }
  if (!untimed.empty()) document.add(Banner{"No times: " + list_names(untimed) + ". Nothing can be chosen there."});
}

struct Spread {
  double log_sum = 0, least = INFINITY, most = 0;
  int count = 0;

  void add(double value) {
    log_sum += std::log(value);
    least = std::min(least, value);
    most = std::max(most, value);
    ++count;
  }
  double mean() const { return std::exp(log_sum / count); }
};

Cell spread_cell(const Spread& spread, int64_t of, std::string (*text)(double)) {
  if (spread.count == 0) return {.text = "—", .number = -1};
  return {.text = text(spread.mean()),
          .note = fmt::format("{} – {}, {} of {}", text(spread.least), text(spread.most), spread.count, of),
          .number = spread.mean()};
}

/// One operator's problems on one GPU: figures of different operators are not averaged.
std::vector<Cell> operator_row(const GpuFacts& gpu, const std::string& op) {
  Spread share, gain;
  int64_t problems = 0, timed = 0, candidates = 0, ok = 0;
  for (const ProblemFacts& facts : gpu.problems) {
    if (facts.problem.op != op) continue;
    ++problems;
    for (const auto& [outcome, count] : facts.outcomes) {
      candidates += count;
      ok += outcome == store::Outcome::Ok ? count : 0;
    }
    if (!facts.timed()) continue;
    ++timed;
    if (facts.chosen->speed_of_light_us > 0) share.add(facts.chosen->speed_of_light_us / *facts.chosen->median_us);
    if (auto* row = facts.comparable_published()) gain.add(*row->median_us / *facts.chosen->median_us);
  }
  return {{.text = gpu.name(), .note = gpu.row.environment.architecture},
          {.text = op.empty() ? "—" : op},
          {.text = gpu.source(), .style = Cell::Style::Badge},
          {.text = fmt::format("{} of {}", timed, problems), .number = static_cast<double>(timed)},
          {.text = count_text(candidates), .number = static_cast<double>(candidates)},
          {.text = count_text(ok), .number = static_cast<double>(ok)},
          spread_cell(share, problems, percent_text),
          spread_cell(gain, problems, ratio_text)};
}

/// In the order of the problems; one empty name where there are none, so that every GPU has a row.
std::vector<std::string> operators_of(const GpuFacts& gpu) {
  std::vector<std::string> operators;
  for (const ProblemFacts& facts : gpu.problems) {
    if (operators.empty() || operators.back() != facts.problem.op) operators.push_back(facts.problem.op);
  }
  if (operators.empty()) operators.emplace_back();
  return operators;
}

}  // namespace

void add_summary(const Facts& facts, Document& document) {
  add_banner(facts, document);
  if (facts.gpus.empty()) return;
  document.add(Heading{2, "Summary", "summary", ""});
  Table table{.columns = {{"GPU", false, ""},
                          {"operator", false, ""},
                          {"source", false, "where its times come from"},
                          {"problems", true, "problems with a chosen, timed kernel"},
                          {"candidates", true, "problem × variant, ablations not counted"},
                          {"ok", true, "candidates that compiled and verified"},
                          {"speed of light", true, "geometric mean over the chosen kernels; least – most, of how many"},
                          {"gain over QServe's point", true,
                           "time of QServe's table point / time of the chosen kernel, both tuned here: geometric mean; "
                           "least – most, of how many"}}};
  for (const GpuFacts& gpu : facts.gpus) {
    for (const std::string& op : operators_of(gpu)) table.rows.push_back(operator_row(gpu, op));
  }
  document.add(std::move(table));
}

}  // namespace qoq::report
