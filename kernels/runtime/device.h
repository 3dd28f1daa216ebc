#pragma once
#include <cstdint>
#include <string>

namespace qoq {

/// What legality and launch plans need to know of a GPU, attached or simulated. (CUDA C++ Programming Guide,
/// "Technical Specifications per Compute Capability"; on an attached GPU the driver's answers.)
struct Device {
  std::string name;            ///< "NVIDIA H200", or the sheet's name
  int compute_capability = 0;  ///< 80, 86, 89, 90, 100, 120
  int sm_count = 0;
  int64_t shared_per_block_bytes = 0;  ///< opt-in limit of one CTA
  int64_t shared_per_sm_bytes = 0;
  int64_t shared_reserved_bytes = 1024;  ///< taken by the system from every CTA
  int registers_per_sm = 65536;
  int threads_per_sm = 0;
  int blocks_per_sm = 0;
  int64_t l2_bytes = 0;

  /// The compiler's target: "sm_80", "sm_90a", … (architecture-specific features where there are any).
  std::string architecture() const;
};

}  // namespace qoq
