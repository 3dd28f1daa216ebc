#pragma once
#include "autotune/verify/verifier.h"

namespace qoq::verify {

/// Runs host-compiled variants on the emulator, at the family's reduced size, with every check on: first warp by warp
/// with late async copies, then at random from the seed. No state: any number of threads may use one at a time.
class EmulatorVerifier final : public Verifier {
 public:
  /// `device`: the GPU to plan for, attached or simulated.
  explicit EmulatorVerifier(Device device);
  Verdict verify(const Family& family, const Point& point, const Problem& problem, const std::filesystem::path& object,
                 uint64_t seed) override;

 private:
  Device device_;
};

}  // namespace qoq::verify
