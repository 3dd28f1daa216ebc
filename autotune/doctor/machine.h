#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "autotune/doctor/findings.h"

namespace qoq::doctor {

/// What the kernel's files say of the driver and of this process, below folders that tests may put elsewhere.
struct Machine {
  std::filesystem::path proc = "/proc", dev = "/dev";

  bool module_loaded() const;
  /// The module's version, "580.159.04"; empty not known.
  std::string module_version() const;
  /// The GPU's device files that are there and that this user may not open.
  std::vector<std::string> closed_nodes() const;
  /// From the module's parameter RmProfilingAdminOnly. (NVIDIA, "ERR_NVGPUCTRPERM: Permission issue with Performance
  /// Counters")
  CounterAccess counter_access() const;
  /// Whether this process has CAP_SYS_ADMIN: root in a container may lack it.
  bool administrator() const;
};

/// Why nothing can be written into a folder, made or not yet; empty when it can. Leaves nothing behind.
std::string why_not_writable(const std::filesystem::path& folder);

}  // namespace qoq::doctor
