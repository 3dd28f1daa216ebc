#include "autotune/model_check/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace qoq::model_check {
namespace {

constexpr size_t kWorst = 6;  // misses listed

std::string number(const std::optional<double>& value) { return value ? fmt::format("{:.2f}", *value) : "–"; }
std::string percent(const std::optional<double>& value) { return value ? fmt::format("{:.1f} %", 100 * *value) : "–"; }
std::string signed_percent(const std::optional<double>& value) {
  return value ? fmt::format("{:+.1f} %", 100 * *value) : "–";
}
nlohmann::json json_of(const std::optional<double>& value) { return value ? nlohmann::json(*value) : nlohmann::json(); }

enum class Part { All, HeldOut, Others };

Summary summary_of(const Scored& scored, Part part) {
  std::vector<std::vector<Pair>> problems;
  for (const ProblemPairs& each : scored.problems) {
    if (part == Part::All || is_held_out(each.problem) == (part == Part::HeldOut)) problems.push_back(each.pairs);
  }
  return summarise(problems);
}

std::string line_of(const char* name, const Summary& s) {
  if (s.problems == 0) return "";
  return fmt::format(
      "{}: {} rows of {} problems\n"
      "  among variants within 2 × of the best: Spearman median {}, worst {}, at least 0.80 in {} of {} problems\n"
      "  regret: top-1 median {}, worst {}; top-16 median {}, worst {}, over {} problems; {} of 16 rows or fewer left "
      "out\n"
      "  error: median |error| {}, bias {}; within 2 × of the best {}, bias {}\n",
      name, s.rows, s.problems, number(s.spearman), number(s.worst_spearman), s.well_ranked, s.ranked, percent(s.top1),
      percent(s.worst_top1), percent(s.top16), percent(s.worst_top16), s.chosen16, s.too_few16, percent(s.error),
      signed_percent(s.bias), percent(s.near_error), signed_percent(s.near_bias));
}

/// A row that the model gets wrong.
struct Miss {
  const MeasuredRow* row;
  const roofline::Forecast* forecast;
  Pair pair;
};

/// The worst of the rows that matter, those within 2 × of their problem's best. Not of held-out problems: who has
/// looked at their rows can no longer be scored on them.
std::vector<Miss> worst_misses(const Scored& scored) {
  std::vector<Miss> misses;
  for (const ProblemPairs& problem : scored.problems) {
    if (is_held_out(problem.problem)) continue;
    const double best = std::ranges::min(problem.pairs, {}, &Pair::measured_us).measured_us;
    for (size_t i = 0; i < problem.pairs.size(); ++i) {
      if (problem.pairs[i].measured_us <= 2 * best)
        misses.push_back({problem.rows[i], &problem.forecasts[i], problem.pairs[i]});
    }
  }
  std::ranges::stable_sort(misses, std::greater{}, [](const Miss& miss) {
    return std::abs(std::log(miss.pair.predicted_us / miss.pair.measured_us));
  });
  misses.resize(std::min(misses.size(), kWorst));
  return misses;
}

std::string parts_text(const roofline::Forecast& forecast) {
  std::string text;
  for (const auto& [name, us] : forecast.parts())
    text += fmt::format("{}{} {:.1f}", text.empty() ? "" : ", ", name, us);
  return text;
}

nlohmann::ordered_json json_of(const Summary& s) {
  return {{"problems", s.problems},
          {"rows", s.rows},
          {"spearman", json_of(s.spearman)},
          {"worst_spearman", json_of(s.worst_spearman)},
          {"ranked", s.ranked},
          {"well_ranked", s.well_ranked},
          {"top1_regret", json_of(s.top1)},
          {"worst_top1_regret", json_of(s.worst_top1)},
          {"top16_regret", json_of(s.top16)},
          {"worst_top16_regret", json_of(s.worst_top16)},
          {"top16_problems", s.chosen16},
          {"top16_left_out", s.too_few16},
          {"error", json_of(s.error)},
          {"bias", json_of(s.bias)},
          {"near_error", json_of(s.near_error)},
          {"near_bias", json_of(s.near_bias)}};
}

}  // namespace

std::string to_text(const Scored& scored) {
  std::string text = fmt::format("{}, {}, {}: {}\n", scored.set->environment.product,
                                 scored.set->environment.cache_mode, scored.set->environment.launch_mode, scored.rates);
  text += fmt::format("{:<56} {:>5} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "problem (* held out)", "rows",
                      "near", "Spearman", "top-1", "top-16", "|error|", "bias", "near");
  for (const ProblemPairs& problem : scored.problems) {
    const Score s = score(problem.pairs);
    text +=
        fmt::format("{:<56} {:>5} {:>5} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                    problem.problem + (is_held_out(problem.problem) ? " *" : ""), s.rows, s.near, number(s.spearman),
                    percent(s.top1), percent(s.top16), percent(s.error), signed_percent(s.bias), percent(s.near_error));
  }
  text += line_of("all", summary_of(scored, Part::All));
  text += line_of("held out", summary_of(scored, Part::HeldOut));
  text += line_of("the others (rates may have been fitted on them)", summary_of(scored, Part::Others));
  text += "worst misses within 2 × of the best, of problems not held out:\n";
  for (const Miss& miss : worst_misses(scored)) {
    text += fmt::format("  {} {}\n    predicted {:.2f} us, measured {:.2f} us ({:+.0f} %): {}\n", miss.row->problem,
                        miss.row->variant, miss.pair.predicted_us, miss.pair.measured_us, 100 * miss.pair.error(),
                        parts_text(*miss.forecast));
  }
  return text;
}

nlohmann::ordered_json to_json(const Scored& scored) {
  nlohmann::ordered_json json{{"product", scored.set->environment.product},
                              {"cache_mode", scored.set->environment.cache_mode},
                              {"launch_mode", scored.set->environment.launch_mode},
                              {"rates", scored.rates},
                              {"notes", scored.set->notes},
                              {"all", json_of(summary_of(scored, Part::All))},
                              {"held_out", json_of(summary_of(scored, Part::HeldOut))},
                              {"others", json_of(summary_of(scored, Part::Others))},
                              {"problems", nlohmann::json::array()}};
  for (const ProblemPairs& problem : scored.problems) {
    const Score s = score(problem.pairs);
    nlohmann::ordered_json rows = nlohmann::json::array();
    for (size_t i = 0; i < problem.pairs.size(); ++i) {
      nlohmann::ordered_json parts;
      for (const auto& [name, us] : problem.forecasts[i].parts()) parts[std::string(name)] = us;
      rows.push_back({{"variant", problem.rows[i]->variant},
                      {"predicted_us", problem.pairs[i].predicted_us},
                      {"measured_us", problem.pairs[i].measured_us},
                      {"parts_us", parts}});
    }
    json["problems"].push_back({{"problem", problem.problem},
                                {"held_out", is_held_out(problem.problem)},
                                {"spearman", json_of(s.spearman)},
                                {"near", s.near},
                                {"top1_regret", json_of(s.top1)},
                                {"top16_regret", json_of(s.top16)},
                                {"error", json_of(s.error)},
                                {"bias", json_of(s.bias)},
                                {"near_error", json_of(s.near_error)},
                                {"rows", rows}});
  }
  return json;
}

}  // namespace qoq::model_check
