#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace qoq::measure {

/// What timing one variant gave. Raw samples are kept; rank by median_us.
struct Sample {
  std::vector<double> samples_us;  ///< in the order taken; of a short kernel each is the mean of several queued runs
  double median_us = 0;
  double relative_iqr = 0;  ///< (third − first quartile) / median
  bool settled = false;     ///< a rule of precision was met; else time or the number of samples ran out first
  /// What ended it: a rule ("relative-iqr", "stability", "time-out"), "most-samples", "most-discards"; in a race also
  /// "decided", "slower" or "no-faster-than-incumbent" (it left), "context-lost".
  std::string stopped_by;
  double sm_mhz = 0;          ///< median of the readings' SM clock; 0 not known
  int discarded = 0;          ///< samples thrown away since the clocks were held back or had dropped
  uint64_t throttled = 0;     ///< reasons seen, in discarded and kept samples
  double gpu_s = 0;           ///< what the kept samples cost on the GPU
  std::string failure;        ///< why there are no samples; empty when there are
  bool timed_out = false;     ///< the failure is a run that did not end
  bool context_lost = false;  ///< after the failure nothing more can run in this process
  bool transient = false;     ///< the failure is the moment's, not the variant's: worth another try
};

/// By linear interpolation between the neighbours, as numpy.quantile does. `sorted` holds at least one.
double quantile(const std::vector<double>& sorted, double q);

/// Median, quartiles. Fills median_us and relative_iqr from samples_us.
void summarize(Sample&);

/// How many copies of `bytes` to go round so that more than three caches' worth of other copies are read before one is
/// used again: it is then cold. (A flush by reading; one that wrote would leave the cache to be written back.)
size_t rotation_copies(size_t bytes, size_t cache_bytes);

}  // namespace qoq::measure
