#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autotune/model_check/measured.h"

namespace qoq::model_check {

/// A set scored on one choice of rates.
struct Scored {
  const MeasuredSet* set = nullptr;
  std::string rates;  ///< "the sheet's rates", "measured ceilings"
  std::vector<ProblemPairs> problems;
};

/// Tables for people: a line a problem, the summaries of all, of the held-out and of the other problems, the worst
/// misses with their parts.
std::string to_text(const Scored& scored);
nlohmann::ordered_json to_json(const Scored& scored);

}  // namespace qoq::model_check
