#pragma once
#include <algorithm>

#include "autotune/measure/lane.h"

namespace qoq::measure {

/// Whether a lane's readings were taken with the clocks as they should be: as fast as the fastest that this lane has
/// shown. (Each lane is its own measure: one that draws much power may always run slower than its neighbours.)
class ClockWatch {
 public:
  explicit ClockWatch(double drop) : drop_(drop) {}
  /// Takes notice of a reading; true when the fastest clock rose, so that earlier ones must be looked at again.
  bool notice(const Reading& reading) {
    if (told_so(reading) || reading.sm_mhz <= fastest_mhz_) return false;
    fastest_mhz_ = reading.sm_mhz;
    return true;
  }
  /// An unknown clock is taken for right.
  bool slow(double sm_mhz) const { return sm_mhz > 0 && sm_mhz < (1 - drop_) * fastest_mhz_; }
  bool held_back(const Reading& reading) const { return told_so(reading) || slow(reading.sm_mhz); }

 private:
  /// NVML's reasons against a reading. The power cap alone is none while the clock is known: under heavy kernels it is
  /// where a GPU lives, and whether it cost speed the clock tells.
  static bool told_so(const Reading& reading) {
    constexpr uint64_t power_cap = 0x4;
    return (reading.throttled & ~power_cap) != 0 || (reading.throttled != 0 && reading.sm_mhz <= 0);
  }

  double drop_;
  double fastest_mhz_ = 0;
};

/// Rests that double with each in a row, up to a second.
class BackOff {
 public:
  explicit BackOff(double first_s) : first_s_(first_s), next_s_(first_s) {}
  void rest(Stand& stand) {
    stand.rest(next_s_);
    next_s_ = std::min(2 * next_s_, 1.0);
  }
  void reset() { next_s_ = first_s_; }

 private:
  double first_s_, next_s_;
};

}  // namespace qoq::measure
