#include "kernels/runtime/device.h"

#include <fmt/format.h>

namespace qoq {

std::string Device::architecture() const {
  // From 9.0 on, the "a" target unlocks what only that chip has (wgmma, tcgen05); such code runs nowhere else.
  return fmt::format("sm_{}{}", compute_capability, compute_capability >= 90 ? "a" : "");
}

}  // namespace qoq
