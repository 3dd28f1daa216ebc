#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/quantize/ablation.h"
#include "kernels/quantize/check.h"

namespace qoq::quantize {

/// Tables for people, JSON for programs.
std::string to_text(const CheckReport& report);
nlohmann::ordered_json to_json(const CheckReport& report);

/// Markdown: one table of output errors and one of weights.
std::string to_markdown(const Ablation& ablation);
nlohmann::ordered_json to_json(const Ablation& ablation);

}  // namespace qoq::quantize
