#pragma once
#include <optional>
#include <string>
#include <vector>

#include "autotune/compile/kernel_headers.h"
#include "autotune/store/rows.h"
#include "kernels/runtime/cuda_device.h"
#include "roofline/gpu/gpu.h"

namespace qoq::tune {

/// A GPU to tune for: attached ("cuda:0") or simulated from its sheet ("sim:h200").
struct Target {
  std::string name;
  Device device;
  std::optional<roofline::Gpu> sheet;  ///< always there when simulated; else the attached product's, if known
  std::optional<runtime::AttachedGpu> attached;

  bool simulated() const { return !attached; }
};

/// Resolves target names; empty or "auto" are the attached GPUs. Throws Fault::Input, with what there is, for a GPU
/// that is unknown or not attached.
std::vector<Target> resolve_targets(const std::vector<std::string>& names);

/// The row that says what numbers of this target are worth. `compiler` is its compiler's identity, `headers` what its
/// kernels include.
store::Environment environment_of(const Target& target, const std::string& compiler,
                                  const compile::Headers& headers = compile::device_headers());

/// The target's ceilings as the report reads them.
store::GpuRow gpu_row(const Target& target);

}  // namespace qoq::tune
