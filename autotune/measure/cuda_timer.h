#pragma once
#include <memory>
#include <string>

#include "autotune/measure/throttle.h"
#include "autotune/measure/timer.h"
#include "kernels/runtime/cuda_device.h"

namespace qoq::measure {

struct TimerLimits {
  int least_samples = 10;
  int most_samples = 300;
  double relative_iqr = 0.02;  ///< settled when the samples' spread is at most this
  double sampling_s = 1.0;     ///< then it ends unsettled, once it has its least samples
  double warm_up_ms = 150;     ///< after a rest: clocks climb slowly, a short warm-up once cost 30 %
  double rewarm_ms = 20;       ///< between variants timed one after the other
  double timeout_s = 10;       ///< of one run
};

/// Times cubins on an attached GPU by events, weights cold, eager launches. Weights rotate over copies of more than
/// 3 × L2 (rotation_copies), so every run reads them from memory, as in decoding; activations stay where the run before
/// left them. A sample is one run, or, below 200 µs, the mean of several queued one behind the other (at most 16), each
/// on the next copies, as a decode step queues its kernels. Runs are queued ahead of each sample: the GPU is busy while
/// the CPU queues it, so no launch overhead of the CPU lies between the events. See Timer::time for what the caller
/// must see to.
///
/// Operands are kept for the next point that reads the same. A fault or a hang costs the context, as in CudaVerifier:
/// the sample says why, every later call throws Fault::Work.
class CudaTimer final : public Timer {
 public:
  explicit CudaTimer(runtime::CudaDevice device, TimerLimits limits = {});
  ~CudaTimer() override;
  Sample time(const Family& family, const Point& point, const Problem& problem,
              const std::filesystem::path& object) override;

 private:
  struct Operands;
  class Rotation;

  Operands& operands_for(const Family& family, const Point& point, const Problem& problem);
  void take_samples(Rotation& rotation, Sample& sample) const;

  runtime::CudaDevice device_;
  TimerLimits limits_;
  runtime::Stream stream_;
  ThrottleWatch throttle_;
  std::unique_ptr<Operands> operands_;
  double last_busy_s_ = -1e9;  ///< steady clock: when the GPU was last kept busy here
  std::string lost_;           ///< why the context is gone; empty while it lives
};

}  // namespace qoq::measure
