// What a GPU's rows were made on, and the rates its rooflines stand on.
#include <fmt/format.h>

#include "autotune/report/sections.h"
#include "autotune/report/text.h"

namespace qoq::report {

void add_environment(const GpuFacts& gpu, Document& document) {
  document.add(Heading{3, "Environment", gpu.id() + "-environment", ""});
  const store::Environment& e = gpu.row.environment;
  Fields fields;
  auto add = [&](std::string name, std::string value) {
    if (!value.empty()) fields.rows.emplace_back(std::move(name), std::move(value));
  };
  add("target", e.target);
  add("product", e.product);
  add("UUID", e.uuid);
  add("architecture", e.architecture);
  add("SMs", e.sm_count > 0 ? fmt::format("{}", e.sm_count) : "");
  add("power cap", e.power_cap_w > 0 ? fmt::format("{:g} W", e.power_cap_w) : "");
  add("MIG profile", e.mig);
  add("driver", e.driver);
  add("CUPTI", e.cupti);
  add("compiler", e.compiler);
  add("kernel sources", e.kernels);
  add("cache, launch", e.cache_mode + (e.launch_mode.empty() ? "" : ", " + e.launch_mode));
  add("predictor", e.predictor);
  for (const auto& [where, count] : gpu.verified) {
    add(where.empty() ? "not verified" : "verified on " + where, plural(count, "ok row"));
  }
  add("first row, last use", moment_text(gpu.row.created_at) + ", " + moment_text(gpu.row.used_at));
  document.add(std::move(fields));
  if (gpu.ceilings.empty()) return;
  Table table{.title = "Ceilings", .columns = {{"ceiling", false, ""}, {"rate", true, ""}, {"source", false, ""}}};
  for (const auto& ceiling : gpu.ceilings) {
    bool memory = ceiling.kind == roofline::Ceiling::Kind::Memory;
    table.rows.push_back({{.text = ceiling.name},
                          {.text = rate_text(ceiling.value, memory ? "GB/s" : "TOPS"), .number = ceiling.value},
                          {.text = ceiling.source}});
  }
  document.add(std::move(table));
}

}  // namespace qoq::report
