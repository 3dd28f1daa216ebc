#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "kernels/accuracy/study.h"

namespace qoq::accuracy {

/// Tables of a study as Markdown: by subject the means over seeds (KL with its least and largest), a column a strength
/// of outliers; then, said in words, where QoQ is no better than rounding to nearest and which transforms do harm.
std::string to_markdown(std::span<const StudyRow> rows, const StudySettings& settings);

/// Every row, seed by seed.
nlohmann::json to_json(std::span<const StudyRow> rows, const StudySettings& settings);

}  // namespace qoq::accuracy
