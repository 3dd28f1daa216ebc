#pragma once
#include <optional>
#include <string>

#include "kernels/runtime/library.h"

namespace qoq::measure {

/// Asks NVML whether a GPU holds its clocks back (power cap, heat, hardware brake). Without NVML it knows nothing.
/// (NVML API reference, "Clocks event reasons".)
class ThrottleWatch {
 public:
  explicit ThrottleWatch(const std::string& uuid);
  ~ThrottleWatch();
  ThrottleWatch(const ThrottleWatch&) = delete;
  ThrottleWatch& operator=(const ThrottleWatch&) = delete;

  /// As it is at this moment: ask while the GPU works. Nothing when it cannot be known.
  std::optional<bool> throttled() const;

 private:
  runtime::Library library_;
  void* gpu_ = nullptr;  ///< nvmlDevice_t; null when NVML does not know the GPU
};

}  // namespace qoq::measure
