#pragma once
#include <string>
#include <vector>

namespace qoq::runtime::testing {

/// What the fake NVML library answers; it exports one as `fake_nvml`. A question whose answer is negative (or whose
/// text is empty) is not supported.
struct FakeNvml {
  struct Process {
    unsigned pid = 0;
    unsigned long long used_bytes = 0;
  };

  int init_result = 0;
  int initialised = 0;         ///< calls of nvmlInit_v2 less those of nvmlShutdown
  std::string uuid, mig_uuid;  ///< of its GPU, and of the MIG device on it
  std::string name, mig_name, driver, nvml;
  int count = 1;
  int enforced_milliwatts = -1, limit_milliwatts = -1;
  int mig_mode = -1;
  int sm_clock = -1, memory_clock = -1, max_sm_clock = -1;
  int temperature = -1, ecc = -1, persistence = -1;
  long long free_bytes = -1, total_bytes = -1;
  long long reasons = -1;
  std::vector<Process> processes;
  int appearing = 0;  ///< so many more processes are there each time the list is asked for
};

}  // namespace qoq::runtime::testing
