#pragma once
#include <optional>
#include <string>

#include "autotune/report/facts.h"

namespace qoq::report {

/// Why a row is faster than another one of the same problem and source: the part of the prediction, or what of tunables
/// and machine code differs, in one sentence that names both numbers. It says so when the rows hold no reason.
std::string why_faster(const store::Candidate& winner, const store::Candidate& other);

/// What limits a row: the prediction's largest parts and, where it was counted, what its warps waited for and how much
/// of the GPU's bandwidth it used. Empty when the row says nothing of it.
std::string what_limits(const store::Candidate& row, const GpuFacts& gpu);

/// The limiter that a row's prediction names, in its own word ("dram"); empty without one.
std::string limiter(const store::Candidate& row);

/// Whether the winner stays the winner when an assumed rate is off (details' key "fragile"). None: not assessed.
struct Fragility {
  bool fragile = false;
  std::string text;  ///< a sentence
};
std::optional<Fragility> fragility(const store::Candidate& row);

}  // namespace qoq::report
