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

Cell spread_cell(const Spread& spread, size_t of, std::string (*text)(double)) {
  if (spread.count == 0) return {.text = "—", .number = -1};
  return {.text = text(spread.mean()),
          .note = fmt::format("{} – {}, {} of {}", text(spread.least), text(spread.most), spread.count, of),
          .number = spread.mean()};
}

std::vector<Cell> gpu_row(const GpuFacts& gpu) {
  Spread share, gain;
  int timed = 0;
  for (const ProblemFacts& facts : gpu.problems) {
    if (!facts.timed()) continue;
    ++timed;
    if (facts.chosen->speed_of_light_us > 0) share.add(facts.chosen->speed_of_light_us / *facts.chosen->median_us);
    if (auto* row = facts.comparable_published()) gain.add(*row->median_us / *facts.chosen->median_us);
  }
  int64_t ok = gpu.outcomes.contains(store::Outcome::Ok) ? gpu.outcomes.at(store::Outcome::Ok) : 0;
  return {{.text = gpu.name(), .note = gpu.row.environment.architecture},
          {.text = gpu.source(), .style = Cell::Style::Badge},
          {.text = fmt::format("{} of {}", timed, gpu.problems.size()), .number = timed},
          {.text = count_text(gpu.candidates), .number = static_cast<double>(gpu.candidates)},
          {.text = count_text(ok), .number = static_cast<double>(ok)},
          spread_cell(share, gpu.problems.size(), percent_text),
          spread_cell(gain, gpu.problems.size(), ratio_text)};
}

}  // namespace

void add_summary(const Facts& facts, Document& document) {
  add_banner(facts, document);
  if (facts.gpus.empty()) return;
  document.add(Heading{2, "Summary", "summary", ""});
  Table table{.columns = {{"GPU", false, ""},
                          {"source", false, "where its times come from"},
                          {"problems", true, "problems with a chosen, timed kernel"},
                          {"candidates", true, "problem × variant, ablations not counted"},
                          {"ok", true, "candidates that compiled and verified"},
                          {"speed of light", true, "geometric mean over the chosen kernels; least – most, of how many"},
                          {"gain over QServe's point", true,
                           "time of QServe's table point / time of the chosen kernel, both tuned here: geometric mean; "
                           "least – most, of how many"}}};
  for (const GpuFacts& gpu : facts.gpus) table.rows.push_back(gpu_row(gpu));
  document.add(std::move(table));
}

}  // namespace qoq::report
