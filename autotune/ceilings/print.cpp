#include "autotune/ceilings/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "roofline/gpu/measured.h"

namespace qoq::ceilings {

namespace {

std::string number(double value) { return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.2f}", value); }

}  // namespace

std::string to_line(const CeilingResult& result) {
  if (!result.failure.empty()) return fmt::format("{:<24} not measured: {}", result.name, result.failure);
  const std::string sheet = result.sheet_value > 0 ? number(result.sheet_value) : "-";
  const std::string share = result.share > 0 ? fmt::format("{:.1f} %", 100 * result.share) : "-";
  const std::string clock = result.clock_from.empty() ? "" : fmt::format(" at {:.0f} MHz", result.clock_mhz);
  return fmt::format("{:<24} {:>9} {:>9} {:<15} {:>8}{} {}{}{}", result.name, number(result.value), sheet, result.unit,
                     share, result.flagged ? " !" : "  ", result.variant, clock,
                     result.clock_from == "sheet" ? " (the sheet's)" : "");
}

std::string heading(const std::string& gpu) {
  return fmt::format("{}\n{:<24} {:>9} {:>9} {:<15} {:>8}   kernel\n", gpu, "ceiling", "measured", "sheet", "unit",
                     "share");
}

std::string closing(std::span<const CeilingResult> results) {
  const auto flagged = std::count_if(results.begin(), results.end(), [](const auto& r) { return r.flagged; });
  if (flagged == 0) return "";
  return fmt::format("! less than {:.0f} % of the sheet ({} of {}): doubted, predictions keep to the sheet\n",
                     100 * roofline::least_share, flagged, results.size());
}

std::string to_text(std::span<const CeilingResult> results, const std::string& gpu) {
  std::string text = heading(gpu);
  for (const CeilingResult& result : results) text += to_line(result) + "\n";
  return text + closing(results);
}

nlohmann::ordered_json to_json(std::span<const CeilingResult> results, const std::string& gpu) {
  nlohmann::ordered_json list = nlohmann::json::array();
  for (const CeilingResult& result : results) {
    if (!result.failure.empty()) {
      list.push_back({{"name", result.name}, {"failure", result.failure}});
      continue;
    }
    list.push_back({{"name", result.name},
                    {"value", result.value},
                    {"unit", result.unit},
                    {"sheet", result.sheet_value},
                    {"share", result.share},
                    {"flagged", result.flagged},
                    {"problem", result.problem},
                    {"variant", result.variant},
                    {"cache", measure::to_text(result.modes.cache)},
                    {"launch", measure::to_text(result.modes.launch)},
                    {"median_us", result.sample.median_us},
                    {"noise", result.sample.relative_iqr},
                    {"sm_mhz", result.sample.sm_mhz},
                    {"clock_mhz", result.clock_mhz},
                    {"clock_from", result.clock_from}});
  }
  return {{"gpu", gpu}, {"ceilings", list}};
}

}  // namespace qoq::ceilings
