#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "autotune/serving/table.h"

namespace qoq::serving {

/// A line a scheme: batch, step by parts, prefill, tokens a second, dollars per million, what the times rest on.
std::string to_text(const ModelOnGpu& on, const roofline::Assumptions& assumptions = {});
nlohmann::ordered_json to_json(const ModelOnGpu& on, const roofline::Assumptions& assumptions = {});

/// "3 layers' GEMMs lie beyond the tuned sizes": what a reader must know of the numbers; empty when nothing.
std::string caveat(const roofline::Serving& serving);

}  // namespace qoq::serving
