#include "autotune/report/sections.h"

#include <fmt/format.h>

#include "autotune/report/text.h"

namespace qoq::report {
namespace {

// The visible table of what a report says, in order. A new section: <name>.cpp, its line here, its line in sections.h.
constexpr Section kOpening[] = {
    {"summary", add_summary},
};
constexpr GpuSection kGpu[] = {
    {"roofline", add_roofline},   {"problems", add_problems},       {"measuring", add_measuring},
    {"baselines", add_baselines}, {"overhead", add_overhead},       {"layouts", add_layouts},
    {"failures", add_failures},   {"environment", add_environment},
};
constexpr Section kClosing[] = {
    {"seed_figures", add_seed_figures},
    {"serving", add_serving},
    {"anchors", add_anchors},
    {"provenance", add_provenance},
};

}  // namespace

std::span<const Section> opening_sections() { return kOpening; }
std::span<const GpuSection> gpu_sections() { return kGpu; }
std::span<const Section> closing_sections() { return kClosing; }

Document make_document(const Facts& facts) {
  Document document;
  std::string jobs;
  for (const auto& job : facts.jobs) jobs += (jobs.empty() ? "" : ", ") + job.name;
  document.title = jobs.empty() ? "Tuning report" : "Tuning report: " + jobs;
  document.subtitle =
      fmt::format("{} · {} · generated {}", plural(facts.candidates, "candidate"),
                  plural(static_cast<int64_t>(facts.gpus.size()), "GPU"), moment_text(facts.generated_at));
  for (const Section& section : opening_sections()) section.add(facts, document);
  for (const GpuFacts& gpu : facts.gpus) {
    document.add(Heading{2, gpu.name(), gpu.id(), gpu.source()});
    for (const GpuSection& section : gpu_sections()) section.add(gpu, document);
  }
  for (const Section& section : closing_sections()) section.add(facts, document);
  return document;
}

}  // namespace qoq::report
