#pragma once
#include <string>

#include "autotune/report/facts.h"

namespace qoq::report {

/// The anchor of a problem's details; empty where it has none: nothing was chosen, or too many others weigh more.
/// `index` counts `gpu.problems`.
std::string details_id(const GpuFacts& gpu, size_t index);

}  // namespace qoq::report
