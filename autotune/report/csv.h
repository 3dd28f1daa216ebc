#pragma once
#include <string>

#include "autotune/report/facts.h"
#include "autotune/report/redact.h"

namespace qoq::report {

/// Every candidate of every environment, one row each (RFC 4180), numbers in full precision.
std::string to_csv(const std::vector<store::EnvironmentRow>& environments, const Candidates& candidates,
                   const Redactor* redactor);

}  // namespace qoq::report
