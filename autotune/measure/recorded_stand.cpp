#include "autotune/measure/recorded_stand.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <numbers>

namespace qoq::measure {

namespace {

constexpr uint64_t nvml_reason = 0x20;  // nvmlClocksEventReasonSwThermalSlowdown

[[noreturn]] void block_for_ever() {
  for (;;) ::pause();
}

}  // namespace

class RecordedStand::RecordedLane final : public Lane {
 public:
  RecordedLane(RecordedStand& stand, double true_us, RecordedTrouble trouble)
      : stand_(stand), true_us_(true_us), trouble_(std::move(trouble)) {}

  void warm_up(double ms) override {
    stand_.check_context();
    if (trouble_.after_samples == 0) stand_.suffer(trouble_);
    stand_.now_s_ += ms / 1000;
  }

  Reading sample() override {
    stand_.check_context();
    if (taken_++ >= trouble_.after_samples) stand_.suffer(trouble_);
    return stand_.sample(true_us_);
  }

 private:
  RecordedStand& stand_;
  const double true_us_;
  const RecordedTrouble trouble_;
  int taken_ = 0;
};

std::unique_ptr<Lane> RecordedStand::lane(const Subject& subject, Modes modes) {
  return lane(subject.family->variant(subject.point, subject.problem), subject.problem.text(), modes,
              subject.family->work(subject.problem));
}

std::unique_ptr<Lane> RecordedStand::lane(const std::string& variant, const std::string& problem, Modes modes,
                                          const Work& work) {
  check_context();
  const RecordedTrouble& trouble = device_.trouble(variant, problem, RecordedPhase::Time);
  if (trouble.fault == RecordedFault::OutOfMemory) suffer(trouble);
  return std::make_unique<RecordedLane>(*this, device_.true_us(variant, problem, work, modes), trouble);
}

void RecordedStand::check_context() const {
  if (!lost_.empty()) throw ContextLost("the context was lost before: " + lost_, false);
}

void RecordedStand::lose(std::string reason, bool hung) {
  lost_ = reason;
  throw ContextLost(std::move(reason), hung);
}

void RecordedStand::suffer(const RecordedTrouble& trouble) {
  switch (trouble.fault) {
    case RecordedFault::None:
    case RecordedFault::WrongOutput:
      return;
    case RecordedFault::Hang:
      if (device_.really) block_for_ever();
      now_s_ += device_.timeout_s;
      lose(fmt::format("did not end within {} s", device_.timeout_s), true);
    case RecordedFault::StickyError:
      lose("cuEventSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", false);
    case RecordedFault::Crash:
      if (device_.really) std::abort();
      lose("the process would have crashed here", false);
    case RecordedFault::OutOfMemory:
      fail("cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY: out of memory");
    case RecordedFault::GpuLost:
      lose("cuEventQuery: CUDA_ERROR_DEVICE_UNAVAILABLE: the GPU has fallen off the bus", false);
  }
}

Reading RecordedStand::sample(double true_us) {
  Reading reading;
  reading.sm_mhz = device_.clock_mhz;
  const double drifted = std::min(now_s_ / device_.drift.over_s, 1.0) * device_.drift.share;
  const RecordedNoise& noise = device_.noise;
  double us = true_us * (1 + drifted) * (1 + noise.share * normal());
  if (noise.tail_share > 0 && random_.uniform(0, 1) < static_cast<float>(noise.tail_share)) us *= 1 + noise.tail;
  for (const RecordedThrottling& episode : device_.throttling) {
    if (now_s_ < episode.from_s || now_s_ >= episode.to_s) continue;
    us /= episode.clock_factor;
    if (episode.in_clock) reading.sm_mhz *= episode.clock_factor;
    if (episode.in_nvml) reading.throttled |= nvml_reason;
  }
  reading.us = std::max(us, true_us / 10);
  now_s_ += (us + device_.sample_us) * 1e-6;
  return reading;
}

/// Box and Muller: two normals from two uniforms.
double RecordedStand::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_normal_;
  }
  const double uniform = (static_cast<double>(random_.next() >> 11) + 1) * 0x1p-53;  // in (0, 1]
  const double angle = 2 * std::numbers::pi * static_cast<double>(random_.next() >> 11) * 0x1p-53;
  const double radius = std::sqrt(-2 * std::log(uniform));
  spare_normal_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

}  // namespace qoq::measure
