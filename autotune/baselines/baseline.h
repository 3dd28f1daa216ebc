#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/measure/cuda_stand.h"
#include "autotune/measure/modes.h"
#include "kernels/family.h"

namespace qoq::baselines {

/// One kernel a library has for a problem, bound to its operands on the GPU.
struct Offer {
  std::string id;              ///< "cublaslt.int8.c03": the row's variant
  size_t workspace_bytes = 0;  ///< what it needs beside its operands
  uint64_t seed = 0;           ///< of its operands
  std::string details = "{}";  ///< json object: the library's version, the algorithm's attributes, …
  measure::Runnable runnable;  ///< keeps the operands alive
  std::function<void(const runtime::Stream&)> queue_poison;  ///< fills the output with what no right answer holds
  std::function<Check()> check;                              ///< the output now, beside the CPU's
};

/// Another library's kernels for one operator in one arithmetic.
class Baseline {
 public:
  virtual ~Baseline() = default;
  virtual std::string_view name() const = 0;        ///< "cublaslt/int8": the row's family
  virtual std::string_view op() const = 0;          ///< "gemm"
  virtual std::string_view arithmetic() const = 0;  ///< which tensor rate of the GPU's sheet is its peak: "int8"
  /// Why the library is not here, a sentence; empty when it is.
  virtual std::string missing() const = 0;
  /// Why it cannot solve this problem on this device, a sentence; nothing when it can.
  virtual std::optional<std::string> unsupported(const Problem& problem, const Device& device) const = 0;
  /// What can be run, best first as far as the library knows; none when it has no kernel after all. Weights rotate over
  /// copies where the mode asks for it. Throws Error: no memory, the library failed.
  virtual std::vector<Offer> candidates(const Problem& problem, const Device& device, measure::Cache cache) const = 0;
};

/// The visible table of all baselines. Opens the libraries; the GPU's context must be current on this thread (without
/// one they are missing).
std::vector<std::unique_ptr<Baseline>> baselines();

/// cuBLASLt's products: int8 (sums in int32), fp8 (e4m3, with fast and with full accumulation), bf16.
std::vector<std::unique_ptr<Baseline>> cublaslt_baselines();

}  // namespace qoq::baselines
