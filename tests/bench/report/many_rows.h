#pragma once
#include <cstdint>

#include "autotune/store/store.h"

namespace qoq::report::testing {

/// Fills a store with so many rows of ours, made up but as large as real ones: a third each on two simulated GPUs (a
/// prediction's parts in every row) and on an attached one (20 samples, a race and counters for every winner). Every
/// ninth row failed. `rows_a_problem` rows stand on each problem; GEMMs of four matrices. Deterministic.
void fill_many(store::Store& store, int64_t rows, int64_t rows_a_problem);

}  // namespace qoq::report::testing
