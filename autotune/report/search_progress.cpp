// How fast the search came to what it found: the best so far, over evaluations.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

using nlohmann::json;

constexpr size_t kMostLines = 60;  ///< thinner than this cannot be told apart
constexpr double kClose = 0.05;

double rounded(double value) { return std::round(value * 1e4) / 1e4; }

/// Problems of which something was timed, longest search first.
std::vector<const ProblemFacts*> searched(const GpuFacts& gpu) {
  std::vector<const ProblemFacts*> list;
  for (const ProblemFacts& facts : gpu.problems) {
    if (!facts.progress.steps.empty()) list.push_back(&facts);
  }
  std::ranges::stable_sort(list, std::greater{}, [](const ProblemFacts* f) { return f->progress.evaluations; });
  return list;
}

/// Horizontal until the next better row.
json staircase(const ProblemFacts& facts) {
  const Progress& progress = facts.progress;
  json points = json::array();
  double before = 0;
  const auto add = [&](int64_t evaluation, double share, json text) {
    points.push_back({{"x", evaluation}, {"y", rounded(share)}, {"text", std::move(text)}});
  };
  for (const Progress::Step& step : progress.steps) {
    const double share = progress.steps.back().best_us / step.best_us;
    const json text = {facts.problem.text,
                       fmt::format("evaluation {} of {}: {} µs, {} of the best found", count_text(step.evaluation),
                                   count_text(progress.evaluations), time_text(step.best_us), percent_text(share))};
    if (before > 0) add(step.evaluation, before, text);
    add(step.evaluation, share, text);
    before = share;
  }
  if (progress.steps.back().evaluation < progress.evaluations)
    add(progress.evaluations, 1,
        {facts.problem.text, fmt::format("{} in all", plural(progress.evaluations, "evaluation"))});
  return points;
}

/// The share that a part of the problems has reached after so many evaluations: 0.5, the median; 0.1, all but a tenth.
double quantile_after(const std::vector<const ProblemFacts*>& problems, int64_t evaluation, double part) {
  std::vector<double> shares;
  for (const ProblemFacts* facts : problems) shares.push_back(facts->progress.share_after(evaluation));
  const auto nth = shares.begin() + static_cast<ptrdiff_t>(part * static_cast<double>(shares.size() - 1));
  std::ranges::nth_element(shares, nth);
  return *nth;
}

json quantile_series(const std::vector<const ProblemFacts*>& problems, double part, const char* label) {
  json points = json::array();
  const int64_t last = problems.front()->progress.evaluations;
  std::set<int64_t> at = {last};
  for (double x = 1; x < static_cast<double>(last); x = std::max(x + 1, x * 1.08)) at.insert(static_cast<int64_t>(x));
  for (const int64_t evaluation : at) {
    const double share = rounded(quantile_after(problems, evaluation, part));
    if (share == 0) continue;  // too few have any time yet
    points.push_back({{"x", evaluation},
                      {"y", share},
                      {"text",
                       {label, fmt::format("after {}: {} of the best found", plural(evaluation, "evaluation"),
                                           percent_text(share))}}});
  }
  return {{"label", label}, {"connected", true}, {"hollow", false}, {"plain", true}, {"points", points}};
}

json make_plot(const std::vector<const ProblemFacts*>& problems) {
  json series = json::array();
  if (problems.size() > 1) {
    series.push_back(quantile_series(problems, 0.5, "median of the problems"));
    series.push_back(quantile_series(problems, 0.1, "nine of ten problems are above"));
  }
  for (size_t i = 0; i < std::min(kMostLines, problems.size()); ++i) {
    series.push_back({{"label", problems[i]->problem.text},
                      {"connected", true},
                      {"hollow", false},
                      {"quiet", problems.size() > 1},
                      {"plain", true},
                      {"points", staircase(*problems[i])}});
  }
  const auto most = static_cast<double>(problems.front()->progress.evaluations);
  double least = 0.9;  // whole tenths below the worst first row
  for (const ProblemFacts* facts : problems)
    least =
        std::min(least, std::floor(facts->progress.share_after(facts->progress.steps.front().evaluation) * 10) / 10);
  return {
      {"x", {{"label", "evaluations, failed ones too"}, {"scale", "log"}, {"min", 1}, {"max", std::max(2.0, most)}}},
      {"y", {{"label", "best found / best so far"}, {"scale", "linear"}, {"min", least}, {"max", 1}}},
      {"lines", json::array()},
      {"series", series}};
}

/// One moment, or "… to …".
std::string span_text(const std::string& begin, const std::string& end) {
  if (begin.empty() || end.empty()) return "";
  if (moment_text(begin) == moment_text(end)) return moment_text(begin);
  return fmt::format("{} to {}", moment_text(begin), moment_text(end));
}

std::string totals_text(const std::vector<const ProblemFacts*>& problems) {
  int64_t evaluations = 0, failed = 0;
  std::vector<double> found, close;
  std::string begun, ended;
  for (const ProblemFacts* facts : problems) {
    const Progress& progress = facts->progress;
    evaluations += progress.evaluations;
    failed += progress.failed;
    found.push_back(static_cast<double>(progress.reached(0)) / static_cast<double>(progress.evaluations));
    close.push_back(static_cast<double>(progress.reached(kClose)) / static_cast<double>(progress.evaluations));
    if (begun.empty() || progress.begun_at < begun) begun = progress.begun_at;
    ended = std::max(ended, progress.ended_at);
  }
  const auto median = [](std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
  };
  return fmt::format(
      "{} of {}, {} of them failed, recorded {}. The best was found after {} of a problem's evaluations, one within "
      "{:g} % of it after {} (medians over the problems).",
      plural(evaluations, "evaluation"), plural(static_cast<int64_t>(problems.size()), "problem"), count_text(failed),
      span_text(begun, ended), percent_text(median(found)), kClose * 100, percent_text(median(close)));
}

}  // namespace

void add_search_progress(const GpuFacts& gpu, Document& document) {
  document.add(Heading{3, "Progress of the search", gpu.id() + "-search", ""});
  const std::vector<const ProblemFacts*> problems = searched(gpu);
  if (problems.empty()) {
    document.add(Paragraph{"No row has a time: there is no progress to show."});
    return;
  }
  document.add(Paragraph{totals_text(problems)});
  std::string caption =
      "Rows in the order they were recorded; 1 is the best that this search found, not the best there is. Strategy and "
      "budget stand in the job file below.";
  if (problems.size() > kMostLines)
    caption += fmt::format(" Thin lines: the {} longest searches of {}.", kMostLines, problems.size());
  const auto most = problems.front()->progress.evaluations;
  document.add(
      Figure{.id = gpu.id() + "-search-plot",
             .title = fmt::format("{}: best found / best so far, over evaluations ({})", gpu.name(), gpu.source()),
             .alt = fmt::format(
                 "Staircases over up to {}: the best so far of {}, as a share of the best found, up to 1. Half of the "
                 "problems have {} of it after 1 evaluation, {} after a tenth of the longest search.",
                 plural(most, "evaluation"), plural(static_cast<int64_t>(problems.size()), "problem"),
                 percent_text(quantile_after(problems, 1, 0.5)),
                 percent_text(quantile_after(problems, std::max<int64_t>(1, most / 10), 0.5))),
             .caption = caption,
             .plot = make_plot(problems)});
}

}  // namespace qoq::report
