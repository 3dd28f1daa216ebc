#include "autotune/report/csv.h"

#include <fmt/format.h>

#include <algorithm>

#include "autotune/interchange/csv.h"

namespace qoq::report {
namespace {

constexpr std::string_view kHeader =
    "target,product,environment,problem,family,variant,layout,ablated,published,baseline,outcome,reason,source,"
    "median_us,noise,samples,speed_of_light_us,verified_on,verify_problem,max_error,registers,shared_bytes,spill_bytes,"
    "ctas,threads,created_at\n";

/// Of several launches: the most registers, shared memory and threads of one, all spills and CTAs.
void add_kernels(interchange::CsvTable& table, const std::vector<store::KernelRow>& kernels) {
  if (kernels.empty()) {
    for (int i = 0; i < 5; ++i) table.add("");
    return;
  }
  int registers = 0, threads = 0;
  int64_t shared = 0, spills = 0, ctas = 0;
  for (const auto& kernel : kernels) {
    registers = std::max(registers, kernel.registers);
    threads = std::max(threads, kernel.threads);
    shared = std::max(shared, kernel.static_shared_bytes + kernel.dynamic_shared_bytes);
    spills += kernel.spill_bytes;
    ctas += kernel.ctas;
  }
  for (const int64_t number : {int64_t{registers}, shared, spills, ctas, int64_t{threads}})
    table.add(fmt::format("{}", number));
}

}  // namespace

std::string to_csv(const std::vector<store::EnvironmentRow>& environments, const Candidates& candidates,
                   const Redactor* redactor) {
  auto plain = [&](const std::string& text) { return redactor ? redactor->apply(text) : text; };
  interchange::CsvTable table(kHeader);
  for (const auto& environment : environments) {
    for (const store::Candidate& row : candidates.at(environment.id)) {
      table.add(environment.environment.target);
      table.add(plain(environment.environment.product));
      table.add(fmt::format("{}", environment.id));
      for (const auto* text : {&row.problem, &row.family, &row.variant, &row.layout}) table.add(plain(*text));
      table.add(row.ablated ? "1" : "0");
      table.add(row.published ? "1" : "0");
      table.add(row.baseline ? "1" : "0");
      table.add(store::to_text(row.outcome));
      table.add(plain(row.reason));
      table.add(store::to_text(row.source));
      table.add(row.median_us ? fmt::format("{}", *row.median_us) : "");
      table.add(row.noise ? fmt::format("{}", *row.noise) : "");
      table.add(fmt::format("{}", row.samples_us.size()));
      table.add(fmt::format("{}", row.speed_of_light_us));
      table.add(row.verified_on);
      table.add(plain(row.verify_problem));
      table.add(fmt::format("{}", row.max_error));
      add_kernels(table, row.kernels);
      table.add(row.created_at);
      table.end_row();
    }
  }
  return table.text();
}

}  // namespace qoq::report
