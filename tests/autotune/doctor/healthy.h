#pragma once
#include "autotune/doctor/findings.h"

namespace qoq::doctor::testing {

/// A machine on which everything works.
inline Findings healthy() {
  Findings f;
  f.target = "cuda:0";
  f.driver.cuda_version = 13000;
  f.driver.version = "580.159.04";
  f.driver.module_loaded = true;
  f.driver.nvml_gpus = 1;
  f.gpu_count = 1;
  GpuFinding gpu;
  gpu.product = "NVIDIA H200";
  gpu.uuid = "GPU-1";
  gpu.architecture = "sm_90a";
  gpu.compute_capability = 90;
  gpu.memory = runtime::GpuMemory{140LL << 30, 141LL << 30};
  gpu.power_cap_w = 700;
  gpu.sm_clock_mhz = 345;
  gpu.max_sm_clock_mhz = 1980;
  gpu.memory_clock_mhz = 3201;
  gpu.temperature_c = 31;
  gpu.clock_reasons = 0x1;
  gpu.mig = runtime::Mig{};
  gpu.ecc = true;
  gpu.persistence = true;
  gpu.others.emplace();
  f.gpu = gpu;
  f.nvrtc = {"13.0", "/cuda/lib64/libnvrtc.so.13", ""};
  f.cupti = {"13.0.1", "/cuda/lib64/libcupti.so.13", ""};
  f.cublaslt = {"13.1.0", "/cuda/lib64/libcublasLt.so.13", ""};
  f.nvml = {"13.580.159.04", "libnvidia-ml.so.1", ""};
  f.host_compiler = {"g++ 12.2.0", "", ""};
  f.counter_access = CounterAccess::Everybody;
  f.cache_folder = "/home/jo/.cache/qoqtune";
  return f;
}

}  // namespace qoq::doctor::testing
