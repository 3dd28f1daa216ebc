#include "autotune/ceilings/rows.h"

#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace qoq::ceilings {

store::CeilingRow to_row(const CeilingResult& result) {
  const nlohmann::json details{{"problem", result.problem},
                               {"variant", result.variant},
                               {"cache", measure::to_text(result.modes.cache)},
                               {"launch", measure::to_text(result.modes.launch)},
                               {"median_us", result.sample.median_us},
                               {"noise", result.sample.relative_iqr},
                               {"samples", result.sample.samples_us.size()},
                               {"sm_mhz", result.sample.sm_mhz},
                               {"clock_mhz", result.clock_mhz},
                               {"clock_from", result.clock_from},
                               {"share", result.share},
                               {"flagged", result.flagged}};
  return {result.name, result.value, result.unit, result.sheet_value, details.dump()};
}

CeilingResult from_row(const store::CeilingRow& row) {
  CeilingResult result;
  result.name = row.name;
  result.value = row.value;
  result.unit = row.unit;
  result.sheet_value = row.sheet_value;
  try {
    const auto details = nlohmann::json::parse(row.details);
    result.problem = details.value("problem", "");
    result.variant = details.value("variant", "");
    result.modes.cache = measure::cache_from_text(details.value("cache", "hot"));
    result.modes.launch = measure::launch_from_text(details.value("launch", "eager"));
    result.sample.median_us = details.value("median_us", 0.0);
    result.sample.relative_iqr = details.value("noise", 0.0);
    result.sample.sm_mhz = details.value("sm_mhz", 0.0);
    result.clock_mhz = details.value("clock_mhz", 0.0);
    result.clock_from = details.value("clock_from", "");
    result.share = details.value("share", 0.0);
    result.flagged = details.value("flagged", false);
  } catch (const nlohmann::json::exception& error) {
    bad_input("ceiling {}: its details are not as expected: {}", row.name, error.what());
  }
  return result;
}

std::vector<roofline::Measured> measured_rates(std::span<const store::CeilingRow> rows) {
  std::vector<roofline::Measured> rates;
  for (const store::CeilingRow& row : rows) rates.push_back({row.name, row.value, row.created_at.substr(0, 10)});
  return rates;
}

}  // namespace qoq::ceilings
