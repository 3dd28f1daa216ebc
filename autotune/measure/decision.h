#pragma once
#include <cstddef>
#include <span>
#include <string>

namespace qoq::measure {

/// What a finalist did in a race that is over.
struct Track {
  std::span<const double> us, logs;  ///< by round kept, and their logarithms
  bool in = false;                   ///< it ran to the end
  bool failed = false;
  std::string failure;
};

/// What they were held against.
struct Rules {
  size_t incumbent = 0;
  double z = 3;            ///< of intervals, as difference() wants it
  double tie = 0.01;       ///< by which the winner must be faster than the incumbent, a share
  int thrown_away = 0;     ///< rounds
  std::string broken_off;  ///< why the race ended before its time: nothing is decided then; else empty
};

/// Who won, and one sentence why, with both medians and their intervals.
struct Decision {
  size_t winner = 0;
  std::string reason;
};

/// The fastest of those that ran to the end, if it is faster than the incumbent by the tie's share and beyond doubt;
/// else the incumbent, unless that one failed.
Decision decide(std::span<const Track> tracks, const Rules& rules);

}  // namespace qoq::measure
