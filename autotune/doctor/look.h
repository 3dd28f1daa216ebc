#pragma once
#include <filesystem>
#include <string>

#include "autotune/doctor/findings.h"

namespace qoq::doctor {

/// Looks at this machine: opens each library, asks NVML about the GPU `index`, and makes no CUDA context.
Findings look(int index, const std::filesystem::path& cache_folder);

}  // namespace qoq::doctor
