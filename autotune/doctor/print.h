#pragma once
#include <string>
#include <vector>

#include "autotune/doctor/findings.h"
#include "autotune/doctor/judge.h"

namespace qoq::doctor {

/// For people: what was found, then what works, with the fix below what does not.
std::string to_text(const Findings& findings, const std::vector<Ability>& abilities);
/// For programs: {"machine": {…}, "gpu": {…} or null, "abilities": [{"name", "verdict", "obstacles": [{"why",
/// "fix"}]}]}.
std::string to_json(const Findings& findings, const std::vector<Ability>& abilities);

}  // namespace qoq::doctor
