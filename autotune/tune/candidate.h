#pragma once
#include <optional>
#include <string>
#include <vector>

#include "autotune/store/rows.h"
#include "autotune/tune/proof.h"
#include "autotune/tune/target.h"
#include "autotune/tune/timing.h"

namespace qoq::tune {

/// A candidate's row before anything is known of it.
store::Candidate new_candidate(const Target& target, const Family& family, const Problem& problem, const Point& point,
                               const std::optional<Point>& published);

/// Its launches as rows.
std::vector<store::KernelRow> kernel_rows(const Target& target, const Built& built);

/// Why a build is not worth running (it did not compile, it spills); empty when it is.
std::string refusal(const compile::Build& build);

/// Writes a verdict, or a time, into the row.
void put_verdict(store::Candidate& row, const verify::Verdict& verdict);
void put_timing(store::Candidate& row, const Timing& timing);

/// Writes into the details of a measured row what the model expected: {"predicted": {"median_us": …}}.
void put_prediction(store::Candidate& row, double predicted_us);

}  // namespace qoq::tune
