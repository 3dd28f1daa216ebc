#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "autotune/ceilings/measure.h"

namespace qoq::ceilings {

/// One line for a terminal, without its end: "pipes.alu  63.9 of 64 threads/clk/SM, 99.8 %  issue.lop3.t512.c8".
std::string to_line(const CeilingResult& result);

/// What stands above such lines, and below: a sentence on what is flagged, empty when nothing is. `gpu`: "NVIDIA H200
/// (cuda:0)".
std::string heading(const std::string& gpu);
std::string closing(std::span<const CeilingResult> results);

/// All of that.
std::string to_text(std::span<const CeilingResult> results, const std::string& gpu);

/// {"gpu", "ceilings": [{"name", "value", "unit", "sheet", "share", "flagged", "variant", …} | {"name", "failure"}]}
nlohmann::ordered_json to_json(std::span<const CeilingResult> results, const std::string& gpu);

}  // namespace qoq::ceilings
