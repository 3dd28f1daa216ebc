#pragma once
#include "autotune/measure/lane.h"
#include "autotune/measure/sample.h"

namespace qoq::measure {

struct SamplingLimits {
  int least_samples = 10;
  int most_samples = 300;
  double relative_iqr = 0.02;   ///< precise enough: the samples' spread is at most this
  double median_iqr = 0.00125;  ///< and their median's at most this, so that ten runs' medians lie within 1 %
  double sampling_s = 1.0;      ///< without rests; then it ends as it is, once it has its least samples
  double warm_up_ms = 150;      ///< after a rest: clocks climb slowly, a short warm-up once cost 30 %
  double rewarm_ms = 20;        ///< between variants timed one after the other
  double clock_drop = 0.03;     ///< a sample whose SM clock lies this far below the fastest seen is thrown away
  double back_off_s = 0.05;     ///< rest after a discard; doubles with each in a row, up to 1 s
  int most_discards = 30;       ///< then it ends: a failure unless it has its least samples
};

/// Warms up, then samples until a stopping rule (stopping.h) ends it. Samples taken while the clocks were held back or
/// had dropped are thrown away after a rest, counted, and reported; where fewer than the least ones are left of so
/// many, the failure says so and is transient. A clock that stays lower is the new measure (clock_watch.h):
/// Sample::sm_mhz tells. `rested`: the GPU was idle before, so the long warm-up is needed. Errors of the lane become
/// Sample::failure.
Sample take_sample(Lane& lane, Stand& stand, const SamplingLimits& limits, bool rested);

}  // namespace qoq::measure
