#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "autotune/compare/compare.h"

namespace qoq::compare {

using nlohmann::ordered_json;
using store::Source;

namespace {

constexpr size_t kColumns = 7;
using Line = std::array<std::string, kColumns>;
const Line kHead{"verdict", "A us", "B us", "B/A", "99 % interval", "problem", "variants"};
constexpr std::array<bool, kColumns> kNumber{false, true, true, true, false, false, false};

/// A list of contexts can be as long as the batch; json has it whole.
std::string shortened(const std::string& problem) {
  constexpr size_t longest = 72;
  return problem.size() <= longest ? problem : problem.substr(0, longest - 1) + "…";
}

Line line_of(const Row& row) {
  std::string range = row.reason;
  if (row.ratio_range) {
    range = fmt::format("[{:.4f}, {:.4f}]", row.ratio_range->low, row.ratio_range->high);
  } else if (range.empty()) {
    range = "predicted, exact";
  }
  return {std::string(to_text(row.verdict)),
          fmt::format("{:.2f}", row.before.time_us),
          fmt::format("{:.2f}", row.after.time_us),
          row.ratio ? fmt::format("{:.4f}", *row.ratio) : "-",
          range,
          shortened(row.problem),
          row.before.variant == row.after.variant ? row.after.variant
                                                  : fmt::format("{} -> {}", row.before.variant, row.after.variant)};
}

/// Characters, not bytes.
size_t width(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string table(const std::vector<Line>& lines) {
  std::array<size_t, kColumns> widths{};
  for (const Line& line : lines) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  std::string text;
  for (const Line& line : lines) {
    for (size_t i = 0; i < kColumns; ++i) {
      const std::string blank(widths[i] - width(line[i]), ' ');
      const bool last = i + 1 == kColumns;
      text += kNumber[i] ? blank + line[i] : last ? line[i] : line[i] + blank;
      text += last ? "\n" : "  ";
    }
  }
  return text;
}

std::string described(const std::string& value) { return value.empty() ? "none" : value; }

std::string match_text(const Match& match, double confidence) {
  std::string text = match.name + "\n";
  for (const Difference& one : match.differences)
    text += fmt::format("  {} differs: {} -> {}\n", one.field, described(one.before), described(one.after));
  for (const auto& [problems, which] : {std::pair(&match.only_before, "A"), std::pair(&match.only_after, "B")}) {
    for (const std::string& problem : *problems) text += fmt::format("  only in {}: {}\n", which, shortened(problem));
  }
  if (match.rows.empty()) return text + "  no problem that both have\n";
  std::vector<Line> lines{kHead};
  lines.front()[4] = fmt::format("{:g} % interval", confidence * 100);
  for (const Row& row : match.rows) lines.push_back(line_of(row));
  return text + table(lines);
}

ordered_json json_of(const Interval& interval) { return ordered_json::array({interval.low, interval.high}); }

ordered_json json_of(const Side& side) {
  return {{"variant", side.variant},
          {"time_us", side.time_us},
          {"interval_us", side.interval ? json_of(*side.interval) : ordered_json()},
          {"samples", side.samples}};
}

ordered_json json_of(const Match& match) {
  ordered_json differences = ordered_json::array(), rows = ordered_json::array();
  for (const Difference& one : match.differences)
    differences.push_back({{"field", one.field}, {"before", one.before}, {"after", one.after}});
  for (const Row& row : match.rows) {
    const bool one_source = row.before.source == row.after.source;
    rows.push_back({{"problem", row.problem},
                    {"verdict", to_text(row.verdict)},
                    {"source", one_source ? ordered_json(store::to_text(row.before.source)) : ordered_json()},
                    {"ratio", row.ratio ? ordered_json(*row.ratio) : ordered_json()},
                    {"ratio_interval", row.ratio_range ? json_of(*row.ratio_range) : ordered_json()},
                    {"reason", row.reason},
                    {"before", json_of(row.before)},
                    {"after", json_of(row.after)}});
  }
  return {{"environment", match.name},
          {"differences", differences},
          {"problems", rows},
          {"only_before", match.only_before},
          {"only_after", match.only_after}};
}

}  // namespace

std::string to_text(const Comparison& comparison) {
  std::string text = fmt::format("A {}\nB {}\n", comparison.before, comparison.after);
  for (const auto& [names, which] :
       {std::pair(&comparison.unmatched_before, "A"), std::pair(&comparison.unmatched_after, "B")}) {
    for (const std::string& name : *names) text += fmt::format("only in {}, not compared: {}\n", which, name);
  }
  for (const Match& match : comparison.matches)
    text += fmt::format("\n{}", match_text(match, comparison.settings.confidence));
  text += "\n";
  for (const Source source : {Source::Measured, Source::Predicted}) {
    if (const auto mean = comparison.mean_ratio(source))
      text += fmt::format("geometric mean of B/A, {}: {:.4f}\n", store::to_text(source), *mean);
  }
  if (const size_t gone = comparison.gone(); gone > 0)
    text += fmt::format("{} problem{} only in A: nothing says that {} not slower in B\n", gone, gone == 1 ? "" : "s",
                        gone == 1 ? "it is" : "they are");
  return text + fmt::format("{} slower, {} unclear, {} same, {} faster; a tie is ± {:g} %\n",
                            comparison.count(Verdict::Slower), comparison.count(Verdict::Unclear),
                            comparison.count(Verdict::Same), comparison.count(Verdict::Faster),
                            comparison.settings.tie * 100);
}

ordered_json to_json(const Comparison& comparison) {
  ordered_json matches = ordered_json::array(), counts, means;
  for (const Match& match : comparison.matches) matches.push_back(json_of(match));
  for (const Verdict verdict : {Verdict::Slower, Verdict::Unclear, Verdict::Same, Verdict::Faster})
    counts[std::string(to_text(verdict))] = comparison.count(verdict);
  for (const Source source : {Source::Measured, Source::Predicted}) {
    const auto mean = comparison.mean_ratio(source);
    means[std::string(store::to_text(source))] = mean ? ordered_json(*mean) : ordered_json();
  }
  return {{"before", comparison.before},
          {"after", comparison.after},
          {"tie", comparison.settings.tie},
          {"confidence", comparison.settings.confidence},
          {"unmatched_before", comparison.unmatched_before},
          {"unmatched_after", comparison.unmatched_after},
          {"matches", matches},
          {"counts", counts},
          {"gone", comparison.gone()},
          {"geometric_mean_ratio", means},
          {"exit_code", comparison.exit_code()}};
}

}  // namespace qoq::compare
