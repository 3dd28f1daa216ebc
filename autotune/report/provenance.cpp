// How this was made, and what its words mean.
#include <fmt/format.h>

#include <algorithm>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {

namespace {

/// Each command once, with how often and when: a run that goes on is the same command again.
void add_runs(const Facts& facts, Fields& fields) {
  struct Runs {
    std::string first, last;
    int64_t count = 0;
  };
  std::vector<std::pair<std::string, Runs>> commands;
  for (const store::RunRow& run : facts.runs) {
    auto found = std::ranges::find(commands, run.command, &std::pair<std::string, Runs>::first);
    if (found == commands.end()) found = commands.insert(commands.end(), {run.command, {run.started_at, "", 0}});
    found->second.last = run.started_at;
    ++found->second.count;
  }
  for (const auto& [command, runs] : commands) {
    fields.rows.emplace_back("tuned by", runs.count == 1
                                             ? fmt::format("{}  (started {})", command, moment_text(runs.first))
                                             : fmt::format("{}  (started {} times, {} to {})", command, runs.count,
                                                           moment_text(runs.first), moment_text(runs.last)));
  }
  if (commands.empty() && facts.candidates > 0)
    fields.rows.emplace_back("tuned by", "the database was filled before commands were kept");
}

}  // namespace

void add_provenance(const Facts& facts, Document& document) {
  document.add(Heading{2, "How this was made", "provenance", ""});
  Fields fields;
  fields.rows.emplace_back("database", facts.database);
  add_runs(facts, fields);
  if (!facts.command_line.empty()) fields.rows.emplace_back("this report by", facts.command_line);
  for (const auto& job : facts.jobs) {
    fields.rows.emplace_back(
        "job", fmt::format("{}, {}, since {}", job.name, plural(static_cast<int64_t>(job.items.size()), "item"),
                           moment_text(job.created_at)));
  }
  for (const auto& row : facts.superseded) {
    fields.rows.emplace_back("not shown",
                             fmt::format("{} {}: an environment last used {}; candidates.csv has its rows",
                                         row.environment.target, row.environment.product, moment_text(row.used_at)));
  }
  document.add(std::move(fields));
  for (const auto& job : facts.jobs) {
    if (!job.text.empty()) document.add(Listing{"Job file of " + job.name, job.text});
  }
  document.add(Heading{3, "Words", "words", ""});
  document.add(Fields{{
      {"measured", "timed on the GPU named above it"},
      {"predicted", "computed by the performance model from the compiled kernel and the GPU's sheet; no GPU ran it"},
      {"speed of light",
       "the least time of a problem: max(bytes / DRAM bandwidth, operations / tensor rate), by the "
       "measured bandwidth where there is one"},
      {"QServe's point",
       "the tile sizes that QServe's source hard-codes for the problem, compiled from our kernels; "
       "not QServe's own binary"},
      {"layout",
       "how packed weights, or a cache's pages, lie in memory; all problems that read one matrix or one cache share "
       "one "
       "layout"},
      {"ablation", "the same kernel without dequantisation; it is never chosen"},
  }});
}

}  // namespace qoq::report
