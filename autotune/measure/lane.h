#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "autotune/measure/modes.h"
#include "kernels/base/error.h"
#include "kernels/family.h"

namespace qoq::measure {

/// What one sample told.
struct Reading {
  double us = 0;       ///< of one run
  double sm_mhz = 0;   ///< mean SM clock while it ran, from the GPU's own counters; 0 not known
  double busy_us = 0;  ///< what the sample cost the GPU, with all that was queued around it; 0 not known
  uint64_t throttled =
      0;  ///< NVML's reasons for holding clocks back, those that do (runtime::Nvml); 0 none, or not known
};

/// The GPU did not answer in time, or its context is gone (an illegal address, a lost GPU): whoever owns the context
/// must end. Everything else that goes wrong with one variant is a plain Error and costs only that variant.
struct ContextLost : Error {
  ContextLost(std::string message, bool hung) : Error(Fault::Work, std::move(message)), timed_out(hung) {}
  bool timed_out;
};

/// One variant on its GPU, loaded and bound, ready to run any number of times.
class Lane {
 public:
  virtual ~Lane() = default;
  /// Keeps the GPU busy with it for at least so long, the first launch (which loads code) included.
  virtual void warm_up(double ms) = 0;
  /// One sample: a run, or the mean of several of a short one.
  virtual Reading sample() = 0;
};

/// What is run: a verified variant from its cubin.
struct Subject {
  const Family* family = nullptr;
  Point point;
  Problem problem;
  std::filesystem::path object;
};

/// Where lanes run: an attached GPU, or a recorded one in tests. Its time is the lanes' time.
class Stand {
 public:
  virtual ~Stand() = default;
  /// Throws Error when the variant cannot be loaded or its operands have no room, ContextLost as above.
  virtual std::unique_ptr<Lane> lane(const Subject& subject, Modes modes) = 0;
  virtual double now_s() const = 0;
  /// Leaves the GPU alone for so long (it cools, its clocks come back).
  virtual void rest(double seconds) = 0;
};

}  // namespace qoq::measure
