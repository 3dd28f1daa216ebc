#include "autotune/replay/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "autotune/interchange/csv.h"

namespace qoq::replay {

namespace {

std::string percent(double fraction) { return fmt::format("{:.2f} %", fraction * 100); }

/// The time whose fraction of the best this is; nothing while nothing was found.
std::string time_text(const SpaceResult& space, double fraction) {
  return fraction > 0 ? fmt::format("{:.2f} us", space.best_us / fraction) : "-";
}

constexpr size_t name_width = 22, column_width = 21;

std::string line(std::string_view name, std::string_view what, const std::vector<std::string>& cells) {
  std::string text = fmt::format("  {:<{}} {:<9}", name, name_width, what);
  for (const std::string& cell : cells) text += fmt::format(" {:>{}}", cell, column_width);
  return text + "\n";
}

std::string table(const SpaceResult& space) {
  std::vector<std::string> heads;
  for (const double share : shares)
    heads.push_back(fmt::format("{:.0f} % = {}", share * 100, evaluations(share, space.points)));
  std::string text = line("evaluations", "", heads);
  for (const StrategyResult& one : space.strategies) {
    std::vector<std::string> means, medians, ranges;
    for (const Standing& at : one.at_shares) {
      means.push_back(fmt::format("{:.2f} ± {:.2f} %", at.mean * 100, at.standard_error * 100));
      medians.push_back(fmt::format("{}, {}", percent(at.median), time_text(space, at.median)));
      ranges.push_back(fmt::format("{:.2f} – {}", at.tenth * 100, percent(at.ninetieth)));
    }
    text += line(one.strategy, "mean", means) + line("", "median", medians) + line("", "10 – 90 %", ranges);
  }
  return text;
}

using Json = nlohmann::ordered_json;

/// The means over several spaces, a line a strategy.
std::string means(std::span<const SpaceResult> results) {
  std::string text;
  for (const Overall& one : overall(results)) {
    std::vector<std::string> cells;
    for (const double mean : one.mean) cells.push_back(percent(mean));
    text += line(one.strategy, "mean", cells);
  }
  return text;
}

Json json_of(std::span<const SpaceResult> results) {
  Json json{{"spaces", results.size()}, {"mean", Json::object()}};
  for (const Overall& one : overall(results)) json["mean"][one.strategy] = one.mean;
  return json;
}

Json json_of(const SpaceResult& space, const Standing& at) {
  const auto time = [&](double fraction) { return fraction > 0 ? Json(space.best_us / fraction) : Json(); };
  return {{"evaluations", at.evaluations},
          {"share_of_space", static_cast<double>(at.evaluations) / static_cast<double>(space.points)},
          {"mean", at.mean},
          {"standard_error", at.standard_error},
          {"tenth", at.tenth},
          {"median", at.median},
          {"ninetieth", at.ninetieth},
          {"median_found_us", time(at.median)}};
}

}  // namespace

std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

std::vector<Overall> overall(std::span<const SpaceResult> results) {
  std::vector<Overall> list;
  if (results.empty()) return list;
  for (size_t strategy = 0; strategy < results.front().strategies.size(); ++strategy) {
    Overall& one = list.emplace_back();
    one.strategy = results.front().strategies[strategy].strategy;
    for (size_t i = 0; i < shares.size(); ++i) {
      for (const SpaceResult& space : results) one.mean[i] += space.strategies[strategy].at_shares[i].mean;
      one.mean[i] /= static_cast<double>(results.size());
    }
  }
  return list;
}

std::vector<SpaceResult> held_out(std::span<const SpaceResult> results) {
  std::vector<SpaceResult> apart;
  for (const SpaceResult& space : results) {
    if (space.held_out.value_or(false)) apart.push_back(space);
  }
  return apart;
}

std::string to_text(std::span<const SpaceResult> results, int seeds) {
  std::string text = fmt::format(
      "the space's best time / the best time found, over {} seeds; a mean with its standard error, a median with its "
      "time\n",
      seeds);
  for (const SpaceResult& space : results) {
    text +=
        fmt::format("\n{}{}{}: {} points of {:.1f} neighbours each, {} failed; best {:.2f} us, median {:.2f} us{}\n",
                    printable(space.name), space.gpu.empty() ? "" : ", ", printable(space.gpu), space.points,
                    space.neighbours, space.points - space.timed, space.best_us, space.median_us,
                    (space.source == "predicted" ? "; all times PREDICTED" : "") +
                        std::string(space.held_out.value_or(false) ? "; held out" : ""));
    text += table(space);
  }
  if (results.size() < 2) return text;
  text += fmt::format("\nmean over the {} spaces\n", results.size());
  std::vector<std::string> heads;
  for (const double share : shares) heads.push_back(fmt::format("{:.0f} %", share * 100));
  text += line("evaluations", "", heads);
  text += means(results);
  if (!results.front().held_out) return text;
  const std::vector<SpaceResult> apart = held_out(results);
  text += fmt::format("\nmean over the {} of them held out: nothing in the model was fitted on these\n", apart.size());
  return text + means(apart);
}

Json to_json(std::span<const SpaceResult> results, int seeds) {
  Json spaces = Json::array();
  for (const SpaceResult& space : results) {
    Json strategies = Json::array();
    for (const StrategyResult& one : space.strategies) {
      Json at_shares = Json::array(), curve = Json::array();
      for (const Standing& at : one.at_shares) at_shares.push_back(json_of(space, at));
      for (const Standing& at : one.curve) curve.push_back(json_of(space, at));
      strategies.push_back({{"strategy", one.strategy}, {"at_shares", at_shares}, {"curve", curve}});
    }
    spaces.push_back({{"name", space.name},
                      {"gpu", space.gpu},
                      {"source", space.source},
                      {"points", space.points},
                      {"timed", space.timed},
                      {"refused", space.refused},
                      {"neighbours", space.neighbours},
                      {"best_us", space.best_us},
                      {"median_us", space.median_us},
                      {"strategies", strategies}});
    if (space.held_out) spaces.back()["held_out"] = *space.held_out;
  }
  Json json{{"seeds", seeds}, {"shares", shares}, {"spaces", spaces}, {"overall", json_of(results)}};
  if (!results.empty() && results.front().held_out) json["overall_held_out"] = json_of(held_out(results));
  return json;
}

std::string to_csv(std::span<const SpaceResult> results, int seeds) {
  interchange::CsvTable table(
      "space,gpu,source,points,timed,best_us,strategy,seeds,evaluations,share_of_space,mean,standard_error,tenth,"
      "median,"
      "ninetieth,median_found_us\n");
  for (const SpaceResult& space : results) {
    for (const StrategyResult& one : space.strategies) {
      for (const Standing& at : one.curve) {
        for (const std::string& text : {space.name, space.gpu, space.source}) table.add(text);
        table.add(fmt::format("{}", space.points));
        table.add(fmt::format("{}", space.timed));
        table.add(fmt::format("{}", space.best_us));
        table.add(one.strategy);
        table.add(fmt::format("{}", seeds));
        table.add(fmt::format("{}", at.evaluations));
        table.add(fmt::format("{}", static_cast<double>(at.evaluations) / static_cast<double>(space.points)));
        for (const double value : {at.mean, at.standard_error, at.tenth, at.median, at.ninetieth})
          table.add(fmt::format("{}", value));
        table.add(at.median > 0 ? fmt::format("{}", space.best_us / at.median) : "");
        table.end_row();
      }
    }
  }
  return table.text();
}

}  // namespace qoq::replay
