// What a reader might look for and this database does not hold: said once a GPU, each lack with what would fill it.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/sections.h"

namespace qoq::report {
namespace {

bool any_problem(const GpuFacts& gpu, bool (*holds)(const ProblemFacts&)) {
  return std::ranges::any_of(gpu.problems, holds);
}

bool has_counters(const ProblemFacts& facts) {
  return std::ranges::any_of(facts.profiled,
                             [](const ProfiledRow& row) { return row.counters && row.counters->rung == "counters"; });
}

}  // namespace

void add_absent(const GpuFacts& gpu, Document& document) {
  Fields fields;
  const auto lacks = [&](std::string what, std::string how) {
    fields.rows.emplace_back(std::move(what), std::move(how));
  };
  const bool measured = gpu.samples.rows > 0;
  const std::string where = gpu.simulated() ? "this GPU is simulated; " : "";
  if (gpu.candidates == 0)
    lacks("candidates", "nothing was tuned here: qoqtune tune JOB.yaml --gpu " + gpu.row.environment.target);
  if (gpu.ceilings.empty()) lacks("ceilings", "the roofline has no roof; tuning again writes them");
  if (!measured)
    lacks("measured times", where + "tune on an attached GPU (--gpu cuda:0) for samples, races and cross-checks");
  if (measured && !any_problem(gpu, [](const ProblemFacts& facts) { return facts.race.has_value(); }))
    lacks("races", "they were left out (tune --skip race)");
  if (!any_problem(gpu, has_counters))
    lacks("counters", where + "they need an attached GPU and the right to read them (qoqtune doctor)");
  if (gpu.baselines == 0)
    lacks("other libraries' kernels", where + "tuning on an attached GPU times cuBLASLt's beside ours");
  if (gpu.ablations == 0)
    lacks("ablations", "no kernel was timed without its dequantisation: its overhead is not known");
  if (!any_problem(gpu, [](const ProblemFacts& facts) { return facts.published.has_value(); }))
    lacks("QServe's points", "its tile table has none for these problems, or none was tried");
  if (fields.rows.empty()) return;
  document.add(Heading{3, "Not in this database", gpu.id() + "-absent", ""});
  document.add(std::move(fields));
}

}  // namespace qoq::report
