#include "autotune/doctor/look.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <cstring>

#include "autotune/compile/cache.h"
#include "autotune/compile/host_compiler.h"
#include "autotune/compile/nvrtc_compiler.h"
#include "autotune/counters/cupti.h"
#include "autotune/doctor/machine.h"
#include "kernels/base/error.h"
#include "kernels/runtime/cuda_device.h"
#include "kernels/runtime/library.h"

namespace qoq::doctor {

namespace {

Piece look_at_nvrtc() {
  const compile::Nvrtc nvrtc = compile::Nvrtc::open();
  return {nvrtc.version, nvrtc.path, nvrtc.reason};
}

Piece look_at_cupti() {
  const counters::Cupti& cupti = counters::Cupti::get();
  return {cupti.version_text(), cupti.path.string(), cupti.reason};
}

/// Only its version is asked: starting it would make a context.
Piece look_at_cublaslt() {
  const std::string names[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
  const auto library = runtime::Library::open(names, runtime::cuda_library_folders());
  if (!library) return {"", "", "cuBLASLt is not here: " + library.reason()};
  const auto version = library.find_as<size_t (*)()>("cublasLtGetVersion");
  if (version == nullptr) return {"", library.path().string(), library.path().string() + ": is no cuBLASLt"};
  const size_t number = version();
  return {fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100), library.path().string(), ""};
}

Piece look_at_nvml(const runtime::Nvml& nvml) {
  return {nvml.nvml_version().value_or(""), nvml.path().string(), nvml.available() ? "" : nvml.reason()};
}

Piece look_at_host_compiler() {
  try {
    // It wants a cache, which is not asked about here.
    std::string path = (std::filesystem::temp_directory_path() / "qoqtune-doctor-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) fail("{}: cannot be made: {}", path, std::strerror(errno));
    const compile::TemporaryFolder scratch(path);
    const compile::HostCompiler compiler(scratch.path(), 1, {});
    return {compiler.version(), "", ""};
  } catch (const Error& error) {
    return {"", "", error.what()};
  }
}

GpuFinding look_at_gpu(const runtime::AttachedGpu& gpu) {
  const runtime::Nvml nvml(gpu.uuid);
  return {.product = gpu.device.name,
          .uuid = gpu.uuid,
          .architecture = gpu.device.architecture(),
          .compute_capability = gpu.device.compute_capability,
          .nvml_reason = nvml.reason(),
          .memory = nvml.memory(),
          .power_cap_w = nvml.power_cap_w(),
          .sm_clock_mhz = nvml.sm_clock_mhz(),
          .max_sm_clock_mhz = nvml.max_sm_clock_mhz(),
          .memory_clock_mhz = nvml.memory_clock_mhz(),
          .temperature_c = nvml.temperature_c(),
          .clock_reasons = nvml.clock_reasons(),
          .mig = nvml.mig(),
          .ecc = nvml.ecc(),
          .persistence = nvml.persistence(),
          .others = nvml.other_processes()};
}

DriverFinding look_at_driver(const Machine& machine, const runtime::Nvml& nvml) {
  const runtime::Driver& driver = runtime::Driver::get();
  return {.lack = driver.lack,
          .start_error = driver.start_error,
          .reason = driver.reason,
          .cuda_version = driver.version,
          .version = nvml.driver_version().value_or(machine.module_version()),
          .module_loaded = machine.module_loaded(),
          .closed_nodes = machine.closed_nodes(),
          .nvml_gpus = nvml.gpu_count()};
}

}  // namespace

Findings look(int index, const std::filesystem::path& cache_folder) {
  const Machine machine;
  const runtime::Nvml nvml("");
  Findings found;
  found.target = fmt::format("cuda:{}", index);
  found.driver = look_at_driver(machine, nvml);
  found.nvrtc = look_at_nvrtc();
  found.cupti = look_at_cupti();
  found.cublaslt = look_at_cublaslt();
  found.nvml = look_at_nvml(nvml);
  found.host_compiler = look_at_host_compiler();
  found.counter_access = machine.counter_access();
  found.administrator = machine.administrator();
  found.cache_folder = cache_folder.string();
  found.cache_reason = why_not_writable(cache_folder);
  try {
    const runtime::AttachedGpus attached = runtime::list_attached_gpus();
    found.gpu_count = static_cast<int>(attached.gpus.size());
    for (const auto& gpu : attached.gpus) {
      if (gpu.index == index) found.gpu = look_at_gpu(gpu);
    }
  } catch (const Error& error) {
    // A GPU that fails while it is described: what it said is the reason.
    found.driver.lack = runtime::Driver::Lack::Start;
    found.driver.reason = error.what();
  }
  return found;
}

}  // namespace qoq::doctor
