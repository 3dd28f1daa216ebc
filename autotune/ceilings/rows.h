#pragma once
#include <span>
#include <vector>

#include "autotune/ceilings/measure.h"
#include "autotune/store/rows.h"
#include "roofline/gpu/measured.h"

namespace qoq::ceilings {

/// A result as the database keeps it; it must have a value.
store::CeilingRow to_row(const CeilingResult& result);

/// What a row tells of a result: raw samples and tries that did not count are not kept.
CeilingResult from_row(const store::CeilingRow& row);

/// Rows for roofline::with_measured, which leaves out what it does not know or believe.
std::vector<roofline::Measured> measured_rates(std::span<const store::CeilingRow> rows);

}  // namespace qoq::ceilings
