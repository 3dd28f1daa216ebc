// Problem by problem: what was chosen, how good it is, and what it is better than.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/problem_details.h"
#include "autotune/report/sections.h"
#include "autotune/report/text.h"
#include "autotune/report/why.h"

namespace qoq::report {
namespace {

using store::Candidate;
using store::Outcome;

Cell missing(std::string why = "") { return {.text = "—", .note = std::move(why)}; }

std::string count_outcomes(const ProblemFacts& facts) {
  std::string text;
  for (auto [outcome, count] : facts.outcomes) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count_text(count), store::to_text(outcome));
  }
  return text.empty() ? "no candidate was tried" : text;
}

Cell variant_cell(const ProblemFacts& facts) {
  if (facts.chosen_variant.empty()) return missing(count_outcomes(facts));
  Cell cell{.text = facts.chosen_variant, .style = Cell::Style::Code};
  cell.note = facts.chosen ? facts.chosen->layout + " layout, " + facts.how : facts.how + ", not tuned on this problem";
  if (const auto found = facts.chosen ? fragility(*facts.chosen) : std::nullopt; found && found->fragile)
    cell.note += ", fragile";
  if (facts.chosen && facts.chosen->outcome != Outcome::Ok) {
    cell.note = fmt::format("{}: {}", store::to_text(facts.chosen->outcome), shorten(facts.chosen->reason, 120));
  }
  return cell;
}

Cell time_cell(const Candidate& row) {
  Cell cell{.text = time_text(*row.median_us), .number = *row.median_us};
  if (row.noise) cell.note = fmt::format("± {}", percent_text(*row.noise));
  return cell;
}

Cell share_cell(const Candidate& row) {
  if (row.speed_of_light_us <= 0) return missing();
  double share = row.speed_of_light_us / *row.median_us;
  return {.text = percent_text(share),
          .note = time_text(row.speed_of_light_us) + " µs",
          .number = share,
          .share = std::clamp(share, 0.0, 1.0)};
}

/// Beside a measured time the model's word is marked as the model's.
Cell limiter_cell(const Candidate& row) {
  const std::string name = limiter(row);
  if (name.empty()) return missing();
  return {.text = name, .note = row.source == store::Source::Predicted ? "" : "by the model"};
}

/// Another variant, by what it changes, and its time.
Cell other_cell(const Candidate& row, const Candidate& chosen) {
  std::string parts = difference(row.variant, chosen.variant);
  return {.text = parts.empty() ? "same variant" : parts,
          .style = parts.empty() ? Cell::Style::Plain : Cell::Style::Code,
          .hover = row.variant};
}

void add_runner_up(const ProblemFacts& facts, std::vector<Cell>& cells) {
  if (!facts.timed() || !facts.runner_up) {
    cells.insert(cells.end(), {missing(), missing()});
    return;
  }
  double gap = *facts.runner_up->median_us / *facts.chosen->median_us - 1;
  cells.push_back(other_cell(*facts.runner_up, *facts.chosen));
  cells.push_back(
      {.text = signed_percent_text(gap), .note = time_text(*facts.runner_up->median_us) + " µs", .number = gap});
}

void add_published(const ProblemFacts& facts, std::vector<Cell>& cells) {
  const Candidate* row = facts.comparable_published();
  if (row) {
    double ratio = *row->median_us / *facts.chosen->median_us;
    cells.push_back(other_cell(*row, *facts.chosen));
    cells.push_back({.text = ratio_text(ratio),
                     .note = fmt::format("{} / {} µs", time_text(*row->median_us), time_text(*facts.chosen->median_us)),
                     .number = ratio});
    return;
  }
  std::string why = "none";
  if (facts.published && facts.published->outcome != Outcome::Ok) {
    why = fmt::format("{}: {}", store::to_text(facts.published->outcome), shorten(facts.published->reason, 80));
  } else if (facts.published && facts.published->median_us) {
    why = fmt::format("{} µs {}{}: not comparable", time_text(*facts.published->median_us),
                      store::to_text(facts.published->source),
                      facts.published->verified_on.empty() ? ", not verified" : "");
  } else if (facts.published) {
    why = "no time";
  }
  cells.insert(cells.end(), {missing(why), missing()});
}

/// A list of contexts can be as long as the batch.
Cell problem_cell(const ProblemFacts& facts, std::string details) {
  constexpr size_t longest = 90;
  const std::string& text = facts.problem.text;
  return {.text = text.size() <= longest ? text : text.substr(0, longest) + "…",
          .style = Cell::Style::Code,
          .note = shorten(facts.label, 90),
          .hover = text.size() <= longest ? facts.label : text + "  " + facts.label,
          .link = std::move(details)};
}

std::vector<Cell> make_row(const ProblemFacts& facts, std::string details, bool limiters) {
  std::vector<Cell> cells = {problem_cell(facts, std::move(details)), variant_cell(facts)};
  if (facts.timed()) {
    const Candidate& row = *facts.chosen;
    cells.push_back(time_cell(row));
    cells.push_back({.text = std::string(store::to_text(row.source)), .style = Cell::Style::Badge});
    cells.push_back(share_cell(row));
  } else {
    cells.insert(cells.end(), {missing(), missing(), missing()});
  }
  if (limiters) cells.push_back(facts.timed() ? limiter_cell(*facts.chosen) : missing());
  add_runner_up(facts, cells);
  add_published(facts, cells);
  return cells;
}

}  // namespace

void add_problems(const GpuFacts& gpu, Document& document) {
  document.add(Heading{3, "Problems", gpu.id() + "-problems", ""});
  if (gpu.problems.empty()) {
    document.add(Paragraph{"No problem was tuned on this GPU."});
    return;
  }
  bool limiters = std::any_of(gpu.problems.begin(), gpu.problems.end(), [](const ProblemFacts& facts) {
    return facts.timed() && !limiter(*facts.chosen).empty();
  });
  Table table;
  table.searchable = true;
  table.columns = {
      {"problem", false, "below: where the job has it from"},
      {"chosen variant", false, "below: its layout, and how the choice was found"},
      {"µs", true, "median; ± its relative interquartile range where it was measured"},
      {"source", false, ""},
      {"of speed of light", true, "least time by DRAM bytes or tensor rate / time; below: that least time"}};
  if (limiters) table.columns.push_back({"limited by", false, "the largest part of the time that the model predicts"});
  table.columns.insert(
      table.columns.end(),
      {{"runner-up", false,
        "the fastest other variant of the same layout and source, by what differs from the chosen one"},
       {"gap", true, "how much slower the runner-up is; below: its time"},
       {"QServe's point", false,
        "the point of QServe's tile table as a kernel of this family, by what differs from the chosen one"},
       {"ratio", true, "time of QServe's point / time of the chosen variant; below: both"}});
  for (size_t i = 0; i < gpu.problems.size(); ++i) {
    if (gpu.problems[i].listed) table.rows.push_back(make_row(gpu.problems[i], details_id(gpu, i), limiters));
  }
  if (table.rows.size() < gpu.problems.size()) {
    document.add(Paragraph{fmt::format(
        "Of {}, the {} that take most of the job's time (weight × time) are listed; candidates.csv has every "
        "row of all, and the figures of this page count all.",
        plural(static_cast<int64_t>(gpu.problems.size()), "problem"), table.rows.size())});
  }
  document.add(std::move(table));
}

}  // namespace qoq::report
