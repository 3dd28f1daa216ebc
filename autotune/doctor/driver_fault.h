#pragma once
#include <optional>

#include "autotune/doctor/judge.h"

namespace qoq::doctor {

/// Why CUDA does not start and what helps; nothing when it does.
std::optional<Obstacle> driver_fault(const DriverFinding& driver);

}  // namespace qoq::doctor
