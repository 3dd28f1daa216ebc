#pragma once
#include <memory>
#include <string>

#include "autotune/measure/lane.h"
#include "autotune/measure/recorded_device.h"
#include "kernels/base/random.h"

namespace qoq::measure {

/// Runs lanes on a recorded GPU. Its time is a number that samples, warm-ups and rests add to, so that nothing waits;
/// its noise comes from the device's seed, so that the same calls give the same readings.
///
/// Faults as on a real one: after a hang, a sticky error or a lost GPU the context is gone and whatever is asked next
/// throws ContextLost too. With `device.really` a hang never returns and a crash ends the process (std::abort);
/// without, a crash is a ContextLost.
class RecordedStand final : public Stand {
 public:
  explicit RecordedStand(RecordedDevice device) : device_(std::move(device)), random_(device_.seed) {}
  std::unique_ptr<Lane> lane(const Subject& subject, Modes modes) override;
  /// A lane by its names alone; `work` is asked only where no time is recorded.
  std::unique_ptr<Lane> lane(const std::string& variant, const std::string& problem, Modes modes = {},
                             const Work& work = {});
  double now_s() const override { return now_s_; }
  void rest(double seconds) override { now_s_ += seconds; }

  const RecordedDevice& device() const { return device_; }

  /// What running it for `phase` does to the process and the context, if anything: throws Error (out of memory), or
  /// ContextLost, or does not return. Wrong output is none of its business. For whoever verifies and counts.
  void suffer(const RecordedTrouble& trouble);
  /// Throws ContextLost when it is.
  void check_context() const;

 private:
  class RecordedLane;
  Reading sample(double true_us);
  [[noreturn]] void lose(std::string reason, bool hung);
  double normal();

  RecordedDevice device_;
  Random random_;
  double now_s_ = 0;
  std::string lost_;         ///< why the context is gone; empty while it is there
  double spare_normal_ = 0;  ///< normals come in pairs
  bool has_spare_ = false;
};

}  // namespace qoq::measure
