#pragma once
#include "autotune/report/document.h"
#include "autotune/report/facts.h"

namespace qoq::report {

/// The parts of the section "seed_figures" (sections.h), each in a file of its own. A part says nothing where the
/// database has nothing for it; whether it said something.

/// Overhead by scheme over m, and what that says to the published claim. [seed_figures.cpp]
bool add_overhead_over_m(const GpuFacts&, Document&);
/// What a GPU's ceilings allow each scheme over the batch, and what chosen kernels reach. [attainable.cpp]
bool add_attainable(const GpuFacts&, Document&);

}  // namespace qoq::report
