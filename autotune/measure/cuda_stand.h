#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autotune/measure/instruments.h"
#include "autotune/measure/lane.h"
#include "kernels/runtime/cuda_device.h"
#include "kernels/runtime/nvml.h"

namespace qoq::measure {

/// Something that can be run on a stream any number of times: a variant, or another library's kernel.
struct Runnable {
  std::function<void(size_t turn, const runtime::Stream&)> queue;  ///< queues one run on the operands of a turn
  size_t turns = 1;     ///< sets of operands to go round; more than one when runs are to find theirs cold
  size_t launches = 1;  ///< driver calls that a run queues
  /// The turn that comes next. Shared by all that go round the same operands: what one has just read is warm for all.
  std::shared_ptr<size_t> next = std::make_shared<size_t>(0);
  std::shared_ptr<void> keeps;  ///< what must live as long
};

/// Operands of a subject that somebody has already made, outputs and all; nullptr: nobody has.
using Prepared = std::function<const std::vector<Buffer>*(const Subject&)>;

struct StandLimits {
  double timeout_s = 10;  ///< of one sample's work
};

/// Runs lanes on an attached GPU, timed by events.
///
/// weights-cold: weights rotate over copies of more than 3 × L2 (rotation_copies), so every run reads them from memory,
/// as in decoding; activations stay where the run before left them. Where a problem has no weights all its inputs
/// rotate. cold: the L2 cache is read over before each run, outside the events. hot: the same operands each time.
///
/// A sample is one run, or, of a run below 200 µs, the mean of several (at most 16): queued one behind the other as a
/// decode step queues its kernels (weights-cold, hot), or each after a flush (cold). The GPU is kept busy while
/// the CPU queues a sample (by runs ahead of it, behind a kernel that only waits where runs are short), so that no
/// launch overhead of the CPU lies between the events. As a graph: the sample's runs are one graph, as many of each
/// turn.
///
/// The SM clock is read on the GPU itself before and after each sample; NVML says whether clocks were held back.
/// The caller sees to it that nothing else runs on that GPU. Operands are kept for the next lanes that read the same.
class CudaStand final : public Stand {
 public:
  explicit CudaStand(runtime::CudaDevice device, StandLimits limits = {}, Prepared prepared = {});
  ~CudaStand() override;
  std::unique_ptr<Lane> lane(const Subject& subject, Modes modes) override;
  std::unique_ptr<Lane> lane(Runnable runnable, Modes modes);
  double now_s() const override;
  void rest(double seconds) override;

  /// The subject as counters want it: always the same operands. `reset` restores workspaces and flushes the caches and
  /// waits for that; `run` runs once and waits.
  struct Replay {
    std::function<void()> reset, run;
  };
  Replay replay(const Subject& subject);

  const runtime::CudaDevice& device() const { return device_; }

 private:
  struct Operands;
  class Variant;
  class CudaLane;

  std::shared_ptr<Operands> operands_for(const Subject& subject, Cache cache);
  void make_room();
  std::shared_ptr<Variant> variant(const Subject& subject, Cache cache);
  uint64_t throttle_reasons();

  runtime::CudaDevice device_;
  StandLimits limits_;
  Prepared prepared_;
  runtime::Stream stream_;
  Instruments instruments_;
  runtime::Nvml nvml_;
  std::vector<std::shared_ptr<Operands>> operands_;  ///< used last first
  bool lost_ = false;  ///< the context is gone, or hangs: nothing on the GPU may be freed any more
  double asked_nvml_s_ = -1e9;
  uint64_t reasons_ = 0;
};

}  // namespace qoq::measure
