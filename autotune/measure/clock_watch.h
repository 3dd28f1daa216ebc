#pragma once
#include <algorithm>

#include "autotune/measure/lane.h"

namespace qoq::measure {

/// Whether a lane's readings were taken with the clocks as they should be: as fast as the fastest that this lane has
/// shown. (Each lane is its own measure: one that draws much power may always run slower than its neighbours.)
///
/// A GPU may open at boost and settle a few per cent lower under its power cap; that is then its speed. So where ten
/// readings in a row were slow by the clock alone, at clocks within 1 % of each other and at most 10 % below the
/// fastest ever seen, that clock is the new measure, and what was faster before is odd. Should the clock come back, it
/// is the measure again.
class ClockWatch {
 public:
  explicit ClockWatch(double drop) : drop_(drop) {}
  /// Takes notice of a reading; true when the measure changed, so that earlier ones must be looked at again.
  bool notice(const Reading& reading) {
    if (!told_so(reading) && reading.sm_mhz > measure_mhz_) {
      steady_ = {};
      measure_mhz_ = reading.sm_mhz;
      fastest_mhz_ = std::max(fastest_mhz_, measure_mhz_);
      return true;
    }
    if (told_so(reading) || !slow(reading.sm_mhz) || reading.sm_mhz < (1 - most_settling) * fastest_mhz_) {
      steady_ = {};
      return false;
    }
    steady_.add(reading.sm_mhz);
    if (steady_.readings < settled_after) return false;
    measure_mhz_ = steady_.highest_mhz;
    steady_ = {};
    return true;
  }
  /// An unknown clock is taken for right.
  bool slow(double sm_mhz) const { return sm_mhz > 0 && sm_mhz < (1 - drop_) * measure_mhz_; }
  /// Of an earlier reading: slow, or from before the clock settled lower.
  bool odd(double sm_mhz) const { return slow(sm_mhz) || (1 - drop_) * sm_mhz > measure_mhz_; }
  bool held_back(const Reading& reading) const { return told_so(reading) || slow(reading.sm_mhz); }

 private:
  static constexpr int settled_after = 10;       // slow readings in a row
  static constexpr double most_settling = 0.1;   // a deeper drop is no settling: something holds the GPU back
  static constexpr double steady_spread = 0.01;  // of settled clocks

  /// Slow readings in a row that agree.
  struct Steady {
    int readings = 0;
    double lowest_mhz = 0, highest_mhz = 0;
    void add(double sm_mhz) {
      const double low = readings == 0 ? sm_mhz : std::min(lowest_mhz, sm_mhz), high = std::max(highest_mhz, sm_mhz);
      const bool agree = high <= (1 + steady_spread) * low;
      *this = agree ? Steady{readings + 1, low, high} : Steady{1, sm_mhz, sm_mhz};
    }
  };

  /// NVML's reasons against a reading. The power cap alone is none while the clock is known: under heavy kernels it is
  /// where a GPU lives, and whether it cost speed the clock tells.
  static bool told_so(const Reading& reading) {
    constexpr uint64_t power_cap = 0x4;
    return (reading.throttled & ~power_cap) != 0 || (reading.throttled != 0 && reading.sm_mhz <= 0);
  }

  double drop_;
  double measure_mhz_ = 0;  ///< as fast it should be
  double fastest_mhz_ = 0;  ///< ever seen
  Steady steady_;
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
