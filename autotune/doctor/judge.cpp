#include "autotune/doctor/judge.h"

#include <fmt/format.h>

#include <charconv>

#include "autotune/doctor/driver_fault.h"

namespace qoq::doctor {

namespace {

constexpr int least_capability = 80;
constexpr int64_t little_memory_bytes = int64_t{8} << 30;

/// Collects what stands in one ability's way.
class Ruling {
 public:
  explicit Ruling(std::string name) { ability_.name = std::move(name); }

  Ruling& needs(const std::vector<Obstacle>& missing) {
    if (!missing.empty()) ability_.verdict = Verdict::Fails;
    ability_.obstacles.insert(ability_.obstacles.end(), missing.begin(), missing.end());
    return *this;
  }
  /// What only spoils numbers is worth saying only where there will be numbers.
  Ruling& suffers(const std::vector<Obstacle>& spoilers) {
    if (spoilers.empty() || ability_.verdict == Verdict::Fails) return *this;
    ability_.verdict = Verdict::Limited;
    ability_.obstacles.insert(ability_.obstacles.end(), spoilers.begin(), spoilers.end());
    return *this;
  }
  operator Ability() const { return ability_; }

 private:
  Ability ability_;
};

std::vector<Obstacle> nvrtc_faults(const Findings& f) {
  if (f.nvrtc.usable()) return {};
  return {{f.nvrtc.reason,
           "Set CUDA_HOME to a CUDA toolkit of 12.8 or newer, or put the NVRTC wheel's libraries into .deps/cuda/lib "
           "beside the working folder."}};
}

std::vector<Obstacle> host_compiler_faults(const Findings& f) {
  if (f.host_compiler.usable()) return {};
  return {{f.host_compiler.reason, "Install g++ 11 or newer, or name another C++20 compiler in CXX."}};
}

std::vector<Obstacle> cache_faults(const Findings& f) {
  if (f.cache_reason.empty()) return {};
  return {{f.cache_reason, "Name a folder that can be written with --cache, or in XDG_CACHE_HOME."}};
}

/// Missing: without it no kernel of ours runs on the GPU.
std::vector<Obstacle> gpu_faults(const Findings& f) {
  if (const auto fault = driver_fault(f.driver)) return {*fault};
  if (!f.gpu) {
    return {{fmt::format("{} is not here: CUDA sees {} GPU{}", f.target, f.gpu_count, f.gpu_count == 1 ? "" : "s"),
             f.driver.nvml_gpus.value_or(0) > f.gpu_count
                 ? "The driver has more GPUs than CUDA shows: look at CUDA_VISIBLE_DEVICES."
                 : "Name one of those that \"qoqtune gpus\" lists."}};
  }
  if (f.gpu->compute_capability < least_capability) {
    return {{fmt::format("{} is {}, the kernels need sm_80 (Ampere) or newer", f.gpu->product, f.gpu->architecture),
             "Use a newer GPU, or a simulated one such as --gpu sim:h200."}};
  }
  return {};
}

int major_of(const std::string& version) {
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  return major;
}

/// A driver loads cubins of its own CUDA major version and of older ones. (CUDA Compatibility, "Minor Version
/// Compatibility")
std::vector<Obstacle> cubin_faults(const Findings& f) {
  const int driver_major = f.driver.cuda_version / 1000;
  if (!f.nvrtc.usable() || driver_major == 0 || major_of(f.nvrtc.version) <= driver_major) return {};
  return {{fmt::format("the driver is too old: it knows CUDA {}.{}, NVRTC {} makes kernels for newer ones",
                       driver_major, f.driver.cuda_version % 1000 / 10, f.nvrtc.version),
           fmt::format("Update the driver, or use NVRTC of CUDA {} (12.8 or newer).", driver_major)}};
}

std::vector<Obstacle> other_processes(const GpuFinding& gpu) {
  if (!gpu.others || gpu.others->empty()) return {};
  std::string list;
  for (const runtime::GpuProcess& process : *gpu.others) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", process.pid);
    if (process.memory_mib) list += fmt::format(" ({:.0f} MiB)", *process.memory_mib);
  }
  return {{fmt::format("other processes compute on the GPU: {}", list),
           "End them or wait for them: times taken beside others are not times of the kernel alone."}};
}

std::vector<Obstacle> clock_spoilers(const GpuFinding& gpu) {
  std::vector<Obstacle> spoilers;
  const uint64_t held = runtime::holding_back(gpu.clock_reasons.value_or(0));
  if (held != 0) {
    spoilers.push_back({fmt::format("clocks are held back: {}", runtime::reasons_text(held)),
                        "Let the GPU cool, and look at its cooling and power limit; samples taken meanwhile are left "
                        "out."});
  }
  if (!gpu.clock_reasons) {
    spoilers.push_back({fmt::format("whether clocks are held back cannot be known{}",
                                    gpu.nvml_reason.empty() ? "" : ": " + gpu.nvml_reason),
                        "Install the driver's libnvidia-ml.so.1, in a container with the capability \"utility\" "
                        "(NVIDIA_DRIVER_CAPABILITIES)."});
  }
  return spoilers;
}

std::vector<Obstacle> memory_spoilers(const GpuFinding& gpu) {
  if (!gpu.memory || gpu.memory->free_bytes >= little_memory_bytes) return {};
  return {
      {fmt::format("only {:.1f} GiB of its memory are free", static_cast<double>(gpu.memory->free_bytes) / (1 << 30)),
       "End what holds the memory; problems whose operands find no room are recorded as failed."}};
}

std::vector<Obstacle> mig_spoilers(const GpuFinding& gpu) {
  if (!gpu.mig || !gpu.mig->enabled) return {};
  return {{fmt::format("the GPU is divided (MIG{}): its parts share power and clocks",
                       gpu.mig->profile.empty() ? "" : " " + gpu.mig->profile),
           "For times of the whole GPU turn MIG off; rows of a part are kept apart from those of the whole."}};
}

std::vector<Obstacle> time_spoilers(const Findings& f) {
  std::vector<Obstacle> spoilers;
  if (!f.gpu) return spoilers;
  for (const auto& found :
       {other_processes(*f.gpu), clock_spoilers(*f.gpu), memory_spoilers(*f.gpu), mig_spoilers(*f.gpu)})
    spoilers.insert(spoilers.end(), found.begin(), found.end());
  return spoilers;
}

std::vector<Obstacle> cupti_faults(const Findings& f) {
  if (f.cupti.usable()) return {};
  return {{f.cupti.reason,
           "Install CUPTI of the driver's CUDA version (part of the toolkit, or the wheel nvidia-cuda-cupti) and set "
           "CUDA_HOME to it."}};
}

std::vector<Obstacle> counter_faults(const Findings& f) {
  if (f.counter_access != CounterAccess::Administrators || f.administrator) return {};
  return {{"only administrators may read the GPU's counters (RmProfilingAdminOnly: 1)",
           "Run as root (in a container with CAP_SYS_ADMIN), or load the driver's module with "
           "NVreg_RestrictProfilingToAdminUsers=0."}};
}

std::vector<Obstacle> counter_doubts(const Findings& f) {
  std::vector<Obstacle> doubts;
  if (f.counter_access == CounterAccess::NotKnown && !f.administrator) {
    doubts.push_back({"whether this user may read the GPU's counters cannot be known",
                      "Try it; where it is refused, rows are explained by CUPTI Activity or the prediction."});
  }
  if (f.gpu && f.gpu->mig && f.gpu->mig->enabled) {
    doubts.push_back(
        {"the GPU is divided (MIG): counters of what its parts share may be refused", "For counters turn MIG off."});
  }
  return doubts;
}

std::vector<Obstacle> cublaslt_faults(const Findings& f) {
  if (f.cublaslt.usable()) return {};
  return {{f.cublaslt.reason,
           "Install cuBLAS 12 or newer (part of the toolkit, or the wheel nvidia-cublas) and set CUDA_HOME to it."}};
}

}  // namespace

std::string_view to_text(Verdict verdict) {
  return verdict == Verdict::Works ? "works" : verdict == Verdict::Limited ? "limited" : "fails";
}

std::vector<Ability> judge(const Findings& f) {
  const auto on = [&](const char* what) { return fmt::format("{} on {}", what, f.target); };
  const auto gpu = gpu_faults(f), nvrtc = nvrtc_faults(f), cache = cache_faults(f), host = host_compiler_faults(f);
  const auto cubin = gpu.empty() ? cubin_faults(f) : std::vector<Obstacle>{};
  return {
      Ruling("tune simulated GPUs").needs(nvrtc).needs(host).needs(cache),
      Ruling("verify on the emulator").needs(host).needs(cache),
      Ruling(on("verify")).needs(gpu).needs(cubin).needs(nvrtc).needs(cache),
      Ruling(on("tune")).needs(gpu).needs(cubin).needs(nvrtc).needs(cache).suffers(time_spoilers(f)),
      Ruling(on("counters")).needs(gpu).needs(cupti_faults(f)).needs(counter_faults(f)).suffers(counter_doubts(f)),
      Ruling(on("cross-check by CUPTI Activity")).needs(gpu).needs(cupti_faults(f)),
      Ruling(on("baselines of cuBLASLt")).needs(gpu).needs(cublaslt_faults(f)),
  };
}

}  // namespace qoq::doctor
