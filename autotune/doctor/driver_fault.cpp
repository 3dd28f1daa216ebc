#include "autotune/doctor/driver_fault.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qoq::doctor {

namespace {

using Lack = runtime::Driver::Lack;

// CUresult, from cuda.h, which may be absent here.
constexpr int no_device = 100, system_not_ready = 802, driver_mismatch = 803, not_permitted = 800;

Obstacle no_permission(const DriverFinding& driver) {
  return {fmt::format("no permission for the GPU's device files: {}", fmt::join(driver.closed_nodes, ", ")),
          "Let this user open them (on many systems: group \"video\" or \"render\"), or run as root."};
}

/// What a container was not given, and a machine without its module, look alike but for /proc.
Obstacle not_found(const DriverFinding& driver) {
  if (driver.module_loaded) {
    return {driver.reason,
            "The kernel's half of the driver is there: install its user libraries of the same version; in a container "
            "start it with the GPU (docker run --gpus all) and the capability \"compute\"."};
  }
  return {driver.reason,
          "Install the NVIDIA driver (580 or newer for CUDA 13); without a GPU tune a simulated one, such as --gpu "
          "sim:h200."};
}

Obstacle not_started(const DriverFinding& driver) {
  if (!driver.closed_nodes.empty()) return no_permission(driver);
  switch (driver.start_error) {
    case no_device:
      if (driver.nvml_gpus.value_or(0) > 0)
        return {driver.reason, "The driver has GPUs that CUDA does not show: look at CUDA_VISIBLE_DEVICES."};
      return {driver.reason, "Look whether the GPU is plugged in and given to this machine (lspci, nvidia-smi)."};
    case driver_mismatch:
      return {driver.reason,
              "The kernel's half of the driver and its libraries differ in version: reboot, or load the module again."};
    case system_not_ready:
      return {driver.reason, "Start what joins the machine's GPUs: systemctl start nvidia-fabricmanager."};
    case not_permitted:
      return {driver.reason, "Look at the GPU's compute mode (nvidia-smi -q -d COMPUTE) and at who uses it."};
    default:
      return {driver.reason, "Look at what nvidia-smi and dmesg say; often a reboot helps."};
  }
}

}  // namespace

std::optional<Obstacle> driver_fault(const DriverFinding& driver) {
  switch (driver.lack) {
    case Lack::Nothing:
      return {};
    case Lack::Headers:
      return Obstacle{driver.reason, "Build it where a CUDA toolkit or its wheels are (tools/fetch_cuda wheels)."};
    case Lack::Library:
      return not_found(driver);
    case Lack::Function:
      return Obstacle{driver.reason, "Update the NVIDIA driver to 570 (CUDA 12.8) or newer."};
    case Lack::RealDriver:
      return Obstacle{driver.reason,
                      "Take the toolkit's stubs folder out of LD_LIBRARY_PATH, and install the NVIDIA driver if it is "
                      "missing."};
    case Lack::Start:
      return not_started(driver);
  }
  return {};
}

}  // namespace qoq::doctor
