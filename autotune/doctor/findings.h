#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/runtime/driver.h"
#include "kernels/runtime/nvml.h"

namespace qoq::doctor {

/// A library or program that some command needs.
struct Piece {
  std::string version;  ///< empty when it was not found
  std::string path;
  std::string reason;  ///< why it cannot be used, a sentence; empty when it can

  bool usable() const { return reason.empty(); }
};

struct DriverFinding {
  runtime::Driver::Lack lack = runtime::Driver::Lack::Nothing;
  int start_error = 0;                    ///< CUresult with which CUDA did not start
  std::string reason;                     ///< why CUDA is not available, a sentence; empty when it is
  int cuda_version = 0;                   ///< that the driver can do, 13000 for 13.0
  std::string version;                    ///< its own, "580.159.04"; empty not known
  bool module_loaded = false;             ///< the kernel's half is there
  std::vector<std::string> closed_nodes;  ///< device files that are there and that this user may not open
  std::optional<int> nvml_gpus;           ///< that NVML sees, whatever CUDA_VISIBLE_DEVICES hides
};

/// Who may read the GPU's performance counters.
enum class CounterAccess { Everybody, Administrators, NotKnown };

/// The GPU that was asked for, where it is attached.
struct GpuFinding {
  std::string product, uuid, architecture;
  int compute_capability = 0;  ///< 90 for sm_90
  std::string nvml_reason;     ///< why NVML tells nothing of it; empty when it does
  std::optional<runtime::GpuMemory> memory;
  std::optional<double> power_cap_w;
  std::optional<int> sm_clock_mhz, max_sm_clock_mhz, memory_clock_mhz, temperature_c;
  std::optional<uint64_t> clock_reasons;  ///< runtime::reasons_text()
  std::optional<runtime::Mig> mig;
  std::optional<bool> ecc, persistence;
  std::optional<std::vector<runtime::GpuProcess>> others;
};

/// The machine as it was found; what follows from it is judge()'s.
struct Findings {
  std::string target;  ///< "cuda:0", what is judged
  DriverFinding driver;
  int gpu_count = 0;              ///< that CUDA sees
  std::optional<GpuFinding> gpu;  ///< nothing when the target is not attached
  Piece nvrtc, cupti, cublaslt, nvml, host_compiler;
  CounterAccess counter_access = CounterAccess::NotKnown;
  bool administrator = false;  ///< this process may do what only administrators may (CAP_SYS_ADMIN)
  std::string cache_folder;
  std::string cache_reason;  ///< why nothing can be kept there; empty when it can
};

}  // namespace qoq::doctor
