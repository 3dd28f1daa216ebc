#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/runtime/library.h"

namespace qoq::runtime {

/// A process that holds a context on a GPU.
struct GpuProcess {
  int64_t pid = 0;
  std::optional<double> memory_mib;  ///< of the GPU's; nothing when the driver does not say
};

struct GpuMemory {
  int64_t free_bytes = 0, total_bytes = 0;
};

struct Mig {
  bool enabled = false;
  std::string profile;  ///< of the MIG device asked for, "1g.18gb"; empty for a whole GPU
};

/// What NVML, the driver's management library, knows of one GPU. It is opened at run time and needs no nvml.h and no
/// CUDA context. Nothing here throws: without NVML, or where the GPU does not support the question, the answer is
/// nothing. Names, values and layouts are those of the NVML API Reference Guide.
class Nvml {
 public:
  /// Opens libnvidia-ml.so.1 and finds the GPU by its UUID as AttachedGpu::uuid writes it (a MIG device's "MIG-…" too).
  /// An empty UUID asks for no GPU: only what concerns the whole machine is answered.
  explicit Nvml(const std::string& uuid);
  /// The same with this file as the library.
  Nvml(const std::string& uuid, const std::filesystem::path& library);
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  // ---- the machine

  bool available() const { return initialised_; }
  /// Why it is not available, or why the GPU was not found, a sentence; empty when all is well.
  const std::string& reason() const { return reason_; }
  const std::filesystem::path& path() const { return library_.path(); }
  std::optional<std::string> driver_version() const;  ///< "580.159.04"
  std::optional<std::string> nvml_version() const;    ///< "13.580.159.04"
  std::optional<int> gpu_count() const;               ///< of the machine, whatever CUDA_VISIBLE_DEVICES hides

  // ---- the GPU; of a MIG device, what it has only in common with the whole GPU is the whole GPU's

  std::optional<double> power_cap_w() const;    ///< that is enforced now
  std::optional<Mig> mig() const;               ///< nothing where there is no MIG
  std::optional<int> sm_clock_mhz() const;      ///< at this moment
  std::optional<int> memory_clock_mhz() const;  ///< at this moment
  std::optional<int> max_sm_clock_mhz() const;  ///< that the GPU can do
  std::optional<int> temperature_c() const;     ///< of the chip
  std::optional<bool> ecc() const;              ///< whether memory is error-corrected
  std::optional<bool> persistence() const;      ///< whether the driver stays loaded between programs
  std::optional<GpuMemory> memory() const;
  /// Every reason why clocks are what they are, a mask ("Clocks Event Reasons"): see reasons_text().
  std::optional<uint64_t> clock_reasons() const;
  /// Those that hold clocks back against the user's will; ask while the GPU works. 0: none.
  std::optional<uint64_t> throttle_reasons() const;
  /// Who else computes on it, without this process and `ours`. In a container the numbers may be the host's, or
  /// processes outside it may be missing.
  std::optional<std::vector<GpuProcess>> other_processes(std::span<const int64_t> ours = {}) const;

 private:
  void find_gpu(const std::string& uuid);
  /// nvmlReturn_t in words.
  std::string describe(int result) const;
  template <class Value>
  std::optional<Value> ask(const char* function, void* gpu) const;

  Library library_;
  bool initialised_ = false;
  std::string reason_;
  void* gpu_ = nullptr;    ///< nvmlDevice_t of what was asked for; null when NVML does not know it
  void* whole_ = nullptr;  ///< the GPU that a MIG device is part of; else the same
};

/// Reasons that hold clocks back: power cap, heat, hardware slowdown, power brake, waiting for other GPUs.
uint64_t holding_back(uint64_t reasons);
/// A mask in words: "power cap, heat"; "none" when 0.
std::string reasons_text(uint64_t reasons);

}  // namespace qoq::runtime
