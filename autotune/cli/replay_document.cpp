#include "autotune/cli/replay_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autotune/replay/print.h"

namespace qoq::cli {

using replay::SpaceResult;
using replay::Standing;

namespace {

std::string percent(double fraction) { return fmt::format("{:.2f} %", fraction * 100); }

/// Where a curve begins in the figure: in large spaces the first evaluations, which are random whatever the strategy,
/// would leave no room for the rest.
size_t first_shown(const SpaceResult& space) { return space.points > 200 ? 8 : 1; }

/// The worst that the figure shows: below the worst mean, at a whole step.
double least_shown(const SpaceResult& space) {
  double least = 1;
  for (const auto& one : space.strategies) {
    for (const Standing& at : one.curve) {
      if (at.evaluations >= first_shown(space)) least = std::min(least, at.mean);
    }
  }
  const double step = least > 0.98 ? 0.002 : least > 0.9 ? 0.01 : 0.1;
  return std::max(0.0, std::floor(least / step) * step);
}

std::string alternative(const SpaceResult& space) {
  std::string text = fmt::format("After 5 % of {}:", replay::printable(space.name));
  const auto five = std::ranges::find(replay::shares, 0.05) - replay::shares.begin();
  for (const auto& one : space.strategies)
    text += fmt::format(" {} {};", one.strategy, percent(one.at_shares[static_cast<size_t>(five)].mean));
  text.back() = '.';
  return text;
}

report::Figure figure_of(const SpaceResult& space, size_t number, int seeds) {
  nlohmann::json series = nlohmann::json::array();
  const auto points = static_cast<double>(space.points);
  size_t last = 1;
  for (const auto& one : space.strategies) {
    nlohmann::json dots = nlohmann::json::array();
    for (const Standing& at : one.curve) {
      if (at.evaluations < first_shown(space)) continue;
      last = std::max(last, at.evaluations);
      dots.push_back({{"x", at.evaluations},
                      {"y", at.mean},
                      {"text",
                       {one.strategy,
                        fmt::format("{} evaluations, {:.2g} % of the space", at.evaluations,
                                    100 * static_cast<double>(at.evaluations) / points),
                        fmt::format("mean {} ± {}", percent(at.mean), percent(at.standard_error)),
                        fmt::format("median {}, 10 – 90 %: {} – {}", percent(at.median), percent(at.tenth),
                                    percent(at.ninetieth))}}});
    }
    series.push_back({{"label", one.strategy}, {"connected", true}, {"hollow", false}, {"points", std::move(dots)}});
  }
  report::Figure figure;
  figure.id = fmt::format("replay-{}", number);
  figure.title = replay::printable(space.name);
  figure.alt = alternative(space);
  figure.caption = fmt::format(
      "The best time of the space over the best time found, mean over {} seeds; evaluations from {} to 20 % of {} "
      "points.",
      seeds, first_shown(space), space.points);
  figure.plot = {{"x", {{"label", "evaluations"}, {"min", first_shown(space)}, {"max", last}}},
                 {"y", {{"label", "best / found"}, {"scale", "linear"}, {"min", least_shown(space)}, {"max", 1}}},
                 {"lines", nlohmann::json::array()},
                 {"series", std::move(series)}};
  return figure;
}

report::Table table_of(const SpaceResult& space) {
  report::Table table;
  table.title =
      "Best time of the space over the best time found: mean ± standard error; below it the median with its time";
  table.columns.push_back({"strategy"});
  for (const double share : replay::shares)
    table.columns.push_back(
        {fmt::format("{:.0f} % = {}", share * 100, replay::evaluations(share, space.points)), true, "evaluations"});
  for (const auto& one : space.strategies) {
    std::vector<report::Cell>& row = table.rows.emplace_back();
    row.push_back({one.strategy});
    for (const Standing& at : one.at_shares) {
      report::Cell cell{fmt::format("{:.2f} ± {:.2f} %", at.mean * 100, at.standard_error * 100)};
      cell.note =
          at.median > 0 ? fmt::format("{}, {:.2f} µs", percent(at.median), space.best_us / at.median) : "nothing found";
      cell.hover = fmt::format("10 – 90 %: {:.2f} – {}", at.tenth * 100, percent(at.ninetieth));
      cell.number = at.mean;
      row.push_back(std::move(cell));
    }
  }
  return table;
}

}  // namespace

std::vector<report::Figure> replay_figures(std::span<const SpaceResult> results, int seeds) {
  std::vector<report::Figure> figures;
  for (size_t i = 0; i < results.size(); ++i) figures.push_back(figure_of(results[i], i + 1, seeds));
  return figures;
}

report::Document replay_document(std::span<const SpaceResult> results, int seeds) {
  report::Document document;
  document.title = "Search strategies, replayed";
  document.subtitle =
      fmt::format("{} recorded space{}, {} seeds", results.size(), results.size() == 1 ? "" : "s", seeds);
  const auto figures = replay_figures(results, seeds);
  for (size_t i = 0; i < results.size(); ++i) {
    const SpaceResult& space = results[i];
    const bool predicted = space.source == "predicted";
    document.add(report::Heading{2, replay::printable(space.name), fmt::format("space-{}", i + 1),
                                 predicted ? "predicted" : ""});
    if (predicted) document.add(report::Banner{"The times of this space are predicted: no GPU has measured it."});
    report::Fields facts;
    if (!space.gpu.empty()) facts.rows.emplace_back("GPU", replay::printable(space.gpu));
    facts.rows.emplace_back("points",
                            fmt::format("{}, {} of them failed; {:.1f} neighbours each, which differ in one parameter",
                                        space.points, space.points - space.timed, space.neighbours));
    if (space.refused > 0)
      facts.rows.emplace_back("left out", fmt::format("{}, refused before they were compiled", space.refused));
    facts.rows.emplace_back("times", fmt::format("best {:.2f} µs, median {:.2f} µs", space.best_us, space.median_us));
    document.add(std::move(facts));
    document.add(figures[i]);
    document.add(table_of(space));
  }
  return document;
}

}  // namespace qoq::cli
