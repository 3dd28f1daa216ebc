// Other libraries' kernels on the same sizes, beside ours: never chosen, never counted among ours.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {
namespace {

using store::Candidate;

constexpr std::string_view missing_word = "missing: ";

Cell none(std::string why = "") { return {.text = "—", .note = std::move(why)}; }

/// TOPS of an arithmetic on this GPU; 0 when its sheet has no such rate.
double peak_tops(const GpuFacts& gpu, std::string_view arithmetic) {
  const auto found = std::ranges::find_if(gpu.ceilings, [&](const roofline::Ceiling& ceiling) {
    return ceiling.kind == roofline::Ceiling::Kind::Tensor && ceiling.name == arithmetic;
  });
  return found == gpu.ceilings.end() ? 0 : found->value;
}

Cell peak_cell(const GpuFacts& gpu, const store::ProblemRow& problem, std::string_view arithmetic, double time_us) {
  const double peak = peak_tops(gpu, arithmetic);
  if (peak <= 0) return none(arithmetic.empty() ? "" : fmt::format("no rate for {}", arithmetic));
  const double share = problem.ops / time_us * 1e-6 / peak;
  return {.text = percent_text(share),
          .note = fmt::format("{}, {}", arithmetic, rate_text(peak, "TOPS")),
          .number = share,
          .share = std::clamp(share, 0.0, 1.0)};
}

Cell time_cell(const Candidate& row) {
  Cell cell{.text = time_text(*row.median_us), .number = *row.median_us};
  if (row.noise) cell.note = fmt::format("± {}", percent_text(*row.noise));
  return cell;
}

Cell ratio_cell(const ProblemFacts& facts, const Candidate& theirs) {
  if (!facts.timed()) return none();
  if (facts.chosen->source != theirs.source)
    return none(fmt::format("ours is {}: not comparable", store::to_text(facts.chosen->source)));
  const double ratio = *theirs.median_us / *facts.chosen->median_us;
  return {.text = ratio_text(ratio), .number = ratio};
}

std::vector<Cell> make_row(const GpuFacts& gpu, const ProblemFacts& facts, const BaselineFacts& baseline) {
  std::vector<Cell> cells = {
      {.text = facts.problem.text, .style = Cell::Style::Code, .note = shorten(facts.label, 90)}};
  if (facts.timed()) {
    const Candidate& ours = *facts.chosen;
    cells.push_back({.text = time_text(*ours.median_us),
                     .note = std::string(store::to_text(ours.source)),
                     .hover = ours.variant,
                     .number = *ours.median_us});
    cells.push_back(peak_cell(gpu, facts.problem, facts.problem.arithmetic, *ours.median_us));
  } else {
    cells.insert(cells.end(), {none(), none()});
  }
  Cell kernel{.text = baseline.name, .style = Cell::Style::Code};
  if (!baseline.best) {
    kernel.note = shorten(baseline.reason.empty() ? "no time" : baseline.reason, 160);
    cells.insert(cells.end(), {kernel, none(), none(), none()});
    return cells;
  }
  kernel.note = fmt::format("{}, best of {}", baseline.best->variant, count_text(baseline.tried));
  cells.insert(cells.end(), {kernel, time_cell(*baseline.best),
                             peak_cell(gpu, facts.problem, baseline.arithmetic, *baseline.best->median_us),
                             ratio_cell(facts, *baseline.best)});
  return cells;
}

struct Missing {
  std::string name, reason;
  int64_t problems = 0;
};

/// Said once for all problems, so that what was measured is not lost among them.
std::vector<Missing> missing_baselines(const GpuFacts& gpu) {
  std::vector<Missing> all;
  for (const ProblemFacts& facts : gpu.problems) {
    for (const BaselineFacts& baseline : facts.baselines) {
      if (baseline.best || !baseline.reason.starts_with(missing_word)) continue;
      const auto same = [&](const Missing& m) { return m.name == baseline.name && m.reason == baseline.reason; };
      auto found = std::ranges::find_if(all, same);
      if (found == all.end()) found = all.insert(all.end(), {baseline.name, baseline.reason});
      ++found->problems;
    }
  }
  return all;
}

}  // namespace

void add_baselines(const GpuFacts& gpu, Document& document) {
  if (gpu.baselines == 0) return;
  document.add(Heading{3, "Beside other libraries", gpu.id() + "-baselines", ""});
  Table table{
      .columns = {{"problem", false, ""},
                  {"our µs", true, "the chosen variant's median"},
                  {"of our peak", true, "operations / time, as a share of the sheet's dense tensor rate below"},
                  {"library's kernel", false, "below: its fastest right algorithm, and how many were tried"},
                  {"its µs", true, "median, timed as ours on the same GPU"},
                  {"of its peak", true, "the same share, of the rate of its own arithmetic"},
                  {"its / ours", true, "its time / our time, where both were measured; above 1 ours is faster"}},
      .searchable = true};
  for (const ProblemFacts& facts : gpu.problems) {
    for (const BaselineFacts& baseline : facts.baselines) {
      if (baseline.best || !baseline.reason.starts_with(missing_word))
        table.rows.push_back(make_row(gpu, facts, baseline));
    }
  }
  if (!table.rows.empty()) {
    document.add(Paragraph{
        "The same sizes in other libraries' kernels, on the same GPU, timed in the same way with the same cache, on "
        "random inputs. They read other formats (weights of 8 or 16 bits; int8 gives bare int32 sums, without scales) "
        "and are never chosen. With few rows a GEMM is bound by reading its weights, so its share of a tensor peak "
        "is small however good it is."});
    document.add(std::move(table));
  }
  Fields fields;
  for (const Missing& missing : missing_baselines(gpu)) {
    fields.rows.emplace_back(missing.name, fmt::format("{} ({})", missing.reason, plural(missing.problems, "problem")));
  }
  if (!fields.rows.empty()) document.add(std::move(fields));
}

}  // namespace qoq::report
