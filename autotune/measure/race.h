#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/measure/lane.h"
#include "autotune/measure/sample.h"

namespace qoq::measure {

/// How the failure begins of a finalist that has no samples since the race ended for another's sake.
inline constexpr std::string_view broken_off = "the race broke off: ";

struct RaceLimits {
  int most_samples = 300;    ///< of each finalist
  double tie = 0.01;         ///< a finalist must be faster by this share to take the incumbent's place
  double clock_drop = 0.03;  ///< as SamplingLimits
  double back_off_s = 0.05;
  int most_discards = 30;
  double race_s = 20;  ///< then it ends with what it has
};

/// How a race went.
struct RaceResult {
  size_t winner = 0;
  std::vector<Sample> samples;  ///< of each lane, in the lanes' order
  std::vector<int> left_after;  ///< samples a lane had when it was out of the race; −1: it ran to the end
  /// One sentence: "faster than the incumbent by 10.4 % [8.1, 12.8]: 10.01 us [9.98, 10.05] against 11.05 us [11, 11.1]
  /// after 30 rounds", "tie, the incumbent stays: …", "the incumbent is the fastest: …".
  std::string reason;
  bool changed = false;  ///< the winner is not the incumbent
};

/// Finalists against each other, interleaved: every round samples each lane that is still in once, beginning with
/// another one each time and backwards every other turn, so that drift and neighbours hit all alike; differences are
/// taken within rounds (difference.h). A lane leaves when the interval of its difference to the leader lies above zero,
/// or when it cannot be faster than the incumbent by `tie` any more (successive halving by confidence: of a hundred
/// races one may lose a lane that it should have kept, all looks and lanes together). The incumbent runs to the end. A
/// round in which any reading was throttled is thrown away whole; clocks that have settled lower are the new measure
/// (clock_watch.h), and rounds from before are thrown away.
///
/// lanes[incumbent] wins unless another is faster beyond doubt and by `tie` (decision.h). A lane that fails is out and
/// the others race on; a lost context breaks the race off, the incumbent is named and nothing is decided: see
/// Sample::context_lost.
RaceResult race(std::span<Lane* const> lanes, size_t incumbent, Stand& stand, const RaceLimits& limits);

}  // namespace qoq::measure
