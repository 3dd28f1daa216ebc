#pragma once
#include <optional>
#include <string>
#include <vector>

#include "autotune/compile/kernel_headers.h"
#include "autotune/measure/modes.h"
#include "autotune/store/rows.h"
#include "kernels/runtime/cuda_device.h"
#include "roofline/gpu/gpu.h"

namespace qoq::tune {

/// A GPU to tune for: attached ("cuda:0"), simulated from its sheet ("sim:h200"), or a record that stands in for an
/// attached one ("recorded:gpu.json", measure::RecordedDevice).
struct Target {
  std::string name;
  Device device;
  std::optional<roofline::Gpu> sheet;  ///< always there when simulated; else the attached product's, if known
  std::optional<runtime::AttachedGpu> attached;
  std::string cupti = {};  ///< version of the CUPTI that can be had beside an attached GPU; empty: none

  bool simulated() const { return !attached; }
};

/// Resolves target names; empty or "auto" are the attached GPUs. Throws Fault::Input, with what there is, for a GPU
/// that is unknown or not attached.
std::vector<Target> resolve_targets(const std::vector<std::string>& names);

/// Of every kernel source in the program: rows of other kernels are not rows of these.
std::string kernel_digest(const compile::Headers& headers = compile::device_headers());

/// The row that says what numbers of this target are worth. `compiler` is its compiler's identity, `headers` what its
/// kernels include, `modes` how an attached GPU is measured: a simulated one is always predicted weights-cold and
/// eager, the default modes.
store::Environment environment_of(const Target& target, const std::string& compiler,
                                  const compile::Headers& headers = compile::device_headers(),
                                  measure::Modes modes = {});

/// The target's ceilings as the report reads them.
store::GpuRow gpu_row(const Target& target);

}  // namespace qoq::tune
