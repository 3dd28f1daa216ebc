#include "autotune/report/sections.h"

#include <fmt/format.h>

#include "autotune/report/text.h"

namespace qoq::report {
namespace {

// The visible table of what a report says, in order. A new section: <name>.cpp, its line here, its line in sections.h.
constexpr Section kOpening[] = {
    {"summary", add_summary},
};
// clang-format off: one section a line merges
constexpr GpuSection kGpu[] = {
    {"roofline", add_roofline},   {"problems", add_problems},   {"problem details", add_problem_details},
    {"measuring", add_measuring}, {"baselines", add_baselines}, {"search progress", add_search_progress},
    {"layouts", add_layouts},     {"failures", add_failures},   {"environment", add_environment},
    {"absent", add_absent},
};
// clang-format on
constexpr Section kClosing[] = {
    {"anchors", add_anchors},
    {"provenance", add_provenance},
};

/// A section may list every problem; the page shows so many rows of a table and says so.
void shorten_tables(size_t most, Document& document) {
  std::vector<Block> blocks;
  for (Block& block : document.blocks) {
    auto* table = std::get_if<Table>(&block);
    const size_t rows = table ? table->rows.size() : 0;
    if (rows > most) table->rows.resize(most);
    blocks.push_back(std::move(block));
    if (rows > most)
      blocks.emplace_back(Paragraph{fmt::format("The table shows its first {} rows of {}; the database has the others.",
                                                most, count_text(static_cast<int64_t>(rows)))});
  }
  document.blocks = std::move(blocks);
}

}  // namespace

std::span<const Section> opening_sections() { return kOpening; }
std::span<const GpuSection> gpu_sections() { return kGpu; }
std::span<const Section> closing_sections() { return kClosing; }

Document make_document(const Facts& facts) {
  Document document;
  std::string jobs;
  for (const auto& job : facts.jobs) jobs += (jobs.empty() ? "" : ", ") + job.name;
  document.title = jobs.empty() ? "Tuning report" : "Tuning report: " + jobs;
  document.subtitle = fmt::format("{} · {}", plural(facts.candidates, "candidate"),
                                  plural(static_cast<int64_t>(facts.gpus.size()), "GPU"));
  if (!facts.newest_at.empty()) document.subtitle += " · newest rows " + moment_text(facts.newest_at);
  if (!facts.generated_at.empty()) document.subtitle += " · generated " + moment_text(facts.generated_at);
  for (const Section& section : opening_sections()) section.add(facts, document);
  for (const GpuFacts& gpu : facts.gpus) {
    document.add(Heading{2, gpu.name(), gpu.id(), gpu.source()});
    for (const GpuSection& section : gpu_sections()) section.add(gpu, document);
  }
  for (const Section& section : closing_sections()) section.add(facts, document);
  shorten_tables(share_of(kMostListed, facts.gpus.size()), document);
  return document;
}

}  // namespace qoq::report
