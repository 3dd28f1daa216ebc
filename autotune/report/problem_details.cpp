// One fold a problem: the winner, why it won, what limits it, and all that stands beside it.
#include "autotune/report/problem_details.h"

#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"
#include "autotune/report/why.h"

namespace qoq::report {
namespace {

using store::Candidate;

std::string times_text(const Candidate& row) {
  std::string text = fmt::format("{} µs {}", time_text(*row.median_us), store::to_text(row.source));
  if (row.noise && row.source == store::Source::Measured)
    text += fmt::format(" (± {}, {})", percent_text(*row.noise),
                        plural(static_cast<int64_t>(row.samples_us.size()), "sample"));
  return text;
}

std::string kernel_text(const Candidate& row) {
  std::string text;
  for (const store::KernelRow& kernel : row.kernels) {
    const int64_t shared = kernel.static_shared_bytes + kernel.dynamic_shared_bytes;
    text +=
        fmt::format("{}{} CTAs × {} threads, {} registers, {} bytes of shared memory{}", text.empty() ? "" : "; then ",
                    count_text(kernel.ctas), kernel.threads, kernel.registers, count_text(shared),
                    kernel.spill_bytes > 0 ? fmt::format(", {} bytes spilled", count_text(kernel.spill_bytes)) : "");
  }
  return text;
}

/// "+1.8 %: 17.02 against 16.74 µs".
std::string against(double theirs_us, double ours_us) {
  return fmt::format("{}: {} against {} µs", signed_percent_text(theirs_us / ours_us - 1), time_text(theirs_us),
                     time_text(ours_us));
}

std::string published_text(const ProblemFacts& facts) {
  const Candidate& ours = *facts.chosen;
  const Candidate* row = facts.comparable_published();
  if (!row) {
    if (!facts.published) return "";
    return facts.published->outcome == store::Outcome::Ok
               ? "tried, but its time is not comparable"
               : fmt::format("{}: {}", store::to_text(facts.published->outcome), shorten(facts.published->reason, 160));
  }
  const std::string differs = difference(row->variant, ours.variant);
  if (differs.empty()) return "is the winner";
  return fmt::format("{}, {}. {}", differs, against(*row->median_us, *ours.median_us), why_faster(ours, *row));
}

std::string ablation_text(const ProblemFacts& facts) {
  const auto of_chosen = std::ranges::find_if(facts.overheads, [&](const OverheadFacts& overhead) {
    return overhead.timed() && overhead.kernel == facts.chosen->variant && overhead.source == facts.chosen->source;
  });
  if (of_chosen == facts.overheads.end()) return "not recorded for this variant and source";
  return fmt::format("t(kernel) / t(without dequantisation) − 1 = {}: {} against {} µs, both {}",
                     signed_percent_text(of_chosen->overhead()), time_text(of_chosen->kernel_us),
                     time_text(of_chosen->ablation_us), store::to_text(of_chosen->source));
}

std::string baselines_text(const ProblemFacts& facts) {
  std::string text;
  for (const BaselineFacts& baseline : facts.baselines) {
    if (!baseline.best) continue;
    const bool comparable = baseline.best->source == facts.chosen->source;
    text += fmt::format(
        "{}{} {} µs{}", text.empty() ? "" : "; ", baseline.name, time_text(*baseline.best->median_us),
        comparable ? fmt::format(" ({} our time)", ratio_text(*baseline.best->median_us / *facts.chosen->median_us))
                   : fmt::format(" {}, not comparable", store::to_text(baseline.best->source)));
  }
  return text;
}

std::string search_text(const Progress& progress) {
  if (progress.steps.empty()) return "";
  return fmt::format("best found at evaluation {} of {} ({} failed), one within 5 % of it at evaluation {}",
                     count_text(progress.reached(0)), count_text(progress.evaluations), count_text(progress.failed),
                     count_text(progress.reached(0.05)));
}

Fields make_fields(const ProblemFacts& facts, const GpuFacts& gpu) {
  const Candidate& row = *facts.chosen;
  Fields fields;
  const auto add = [&](std::string name, std::string value) {
    if (!value.empty()) fields.rows.emplace_back(std::move(name), std::move(value));
  };
  add("winner", fmt::format("{} ({} layout), {}", row.variant, row.layout, facts.how));
  add("time", times_text(row));
  if (row.speed_of_light_us > 0)
    add("speed of light", fmt::format("{} of it: {} µs", percent_text(row.speed_of_light_us / *row.median_us),
                                      time_text(row.speed_of_light_us)));
  add("kernel", kernel_text(row));
  if (facts.runner_up) {
    add("next best",
        fmt::format("{}, {}", facts.runner_up->variant, against(*facts.runner_up->median_us, *row.median_us)));
    add("why it won", why_faster(row, *facts.runner_up));
  } else {
    add("next best", "no other usable row of this layout and source");
  }
  if (facts.race) add("race", facts.race->reason);
  const std::string limits = what_limits(row, gpu);
  add("what limits it", limits.empty() ? "the row says nothing of it: neither a prediction nor counters" : limits);
  add("QServe's point", published_text(facts));
  add("ablation", ablation_text(facts));
  add("other libraries", baselines_text(facts));
  if (const auto found = fragility(row)) add("assumed rates", found->text);
  add("search", search_text(facts.progress));
  add("verified", row.verified_on.empty() ? "no" : fmt::format("on {}, as {}", row.verified_on, row.verify_problem));
  add("in the job", facts.weight > 0 ? fmt::format("{}, weight {:g}", shorten(facts.label, 160), facts.weight) : "");
  return fields;
}

Table fastest_table(const ProblemFacts& facts) {
  Table table{.title = "Fastest rows, whatever their layout",
              .columns = {{"variant, where it differs from the winner", false, ""},
                          {"layout", false, ""},
                          {"µs", true, ""},
                          {"against the winner", true, ""},
                          {"CTAs", true, "of the first launch"},
                          {"registers", true, "a thread, of the first launch"},
                          {"limited by", false, "by the model"}}};
  for (const Candidate& row : facts.fastest) {
    const std::string differs = difference(row.variant, facts.chosen->variant);
    const double gap = *row.median_us / *facts.chosen->median_us - 1;
    const bool code = !row.kernels.empty();
    const std::string limits = limiter(row);
    table.rows.push_back({{.text = differs.empty() ? "the winner" : differs,
                           .style = differs.empty() ? Cell::Style::Plain : Cell::Style::Code},
                          {.text = row.layout},
                          {.text = time_text(*row.median_us), .number = *row.median_us},
                          {.text = signed_percent_text(gap), .number = gap},
                          {.text = code ? count_text(row.kernels.front().ctas) : "—"},
                          {.text = code ? fmt::format("{}", row.kernels.front().registers) : "—"},
                          {.text = limits.empty() ? "—" : limits}});
  }
  return table;
}

}  // namespace

std::string details_id(const GpuFacts& gpu, size_t index) {
  return gpu.problems[index].detailed ? fmt::format("{}-problem-{}", gpu.id(), index + 1) : "";
}

void add_problem_details(const GpuFacts& gpu, Document& document) {
  std::vector<Fold> folds;
  for (size_t i = 0; i < gpu.problems.size(); ++i) {
    const std::string id = details_id(gpu, i);
    if (id.empty()) continue;
    const ProblemFacts& facts = gpu.problems[i];
    const auto found = fragility(*facts.chosen);
    Fold fold{.title = shorten(facts.problem.text, 120),
              .id = id,
              .note = times_text(*facts.chosen) + (found && found->fragile ? ", fragile" : ""),
              .blocks = {}};
    fold.add(make_fields(facts, gpu));
    fold.add(fastest_table(facts));
    folds.push_back(std::move(fold));
  }
  if (folds.empty()) return;
  document.add(Heading{3, "Problem by problem", gpu.id() + "-details", ""});
  const auto timed = std::ranges::count_if(gpu.problems, &ProblemFacts::timed);
  document.add(Paragraph{
      static_cast<size_t>(timed) > folds.size()
          ? fmt::format("Of {}, the {} that take most of the job's time (weight × time) have their details here; "
                        "candidates.csv has every row of all.",
                        plural(timed, "timed problem"), folds.size())
          : fmt::format("Each opens to the winner's details: why it won, what limits it, what stands beside it. Every "
                        "row is in "
                        "candidates.csv.")});
  for (Fold& fold : folds) document.add(std::move(fold));
}

}  // namespace qoq::report
