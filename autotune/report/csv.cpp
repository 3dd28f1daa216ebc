#include "autotune/report/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace qoq::report {
namespace {

void add_field(std::string& out, std::string_view text) {
  if (!out.empty() && out.back() != '\n') out += ',';
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  out += '"';
}

constexpr std::string_view kHeader =
    "target,product,environment,problem,family,variant,layout,ablated,published,outcome,reason,source,median_us,noise,"
    "samples,speed_of_light_us,verified_on,verify_problem,max_error,registers,shared_bytes,spill_bytes,ctas,threads,"
    "created_at\n";

/// Of several launches: the most registers, shared memory and threads of one, all spills and CTAs.
void add_kernels(std::string& out, const std::vector<store::KernelRow>& kernels) {
  if (kernels.empty()) {
    for (int i = 0; i < 5; ++i) add_field(out, "");
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
  fmt::format_to(std::back_inserter(out), ",{},{},{},{},{}", registers, shared, spills, ctas, threads);
}

}  // namespace

std::string to_csv(const std::vector<store::EnvironmentRow>& environments, const Candidates& candidates,
                   const Redactor* redactor) {
  auto plain = [&](const std::string& text) { return redactor ? redactor->apply(text) : text; };
  std::string out(kHeader);
  for (const auto& environment : environments) {
    for (const store::Candidate& row : candidates.at(environment.id)) {
      add_field(out, environment.environment.target);
      add_field(out, plain(environment.environment.product));
      add_field(out, fmt::format("{}", environment.id));
      for (const auto* text : {&row.problem, &row.family, &row.variant, &row.layout}) add_field(out, plain(*text));
      add_field(out, row.ablated ? "1" : "0");
      add_field(out, row.published ? "1" : "0");
      add_field(out, store::to_text(row.outcome));
      add_field(out, plain(row.reason));
      add_field(out, store::to_text(row.source));
      add_field(out, row.median_us ? fmt::format("{}", *row.median_us) : "");
      add_field(out, row.noise ? fmt::format("{}", *row.noise) : "");
      fmt::format_to(std::back_inserter(out), ",{},{}", row.samples_us.size(), row.speed_of_light_us);
      add_field(out, row.verified_on);
      add_field(out, plain(row.verify_problem));
      add_field(out, fmt::format("{}", row.max_error));
      add_kernels(out, row.kernels);
      add_field(out, row.created_at);
      out += '\n';
    }
  }
  return out;
}

}  // namespace qoq::report
