#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "kernels/family.h"

namespace qoq::measure {

/// What a timing gave. Raw samples are kept; rank by median_us.
struct Sample {
  std::vector<double> samples_us;  ///< in the order taken; of a short kernel each is the mean of up to 16 queued runs
  double median_us = 0;
  double relative_iqr = 0;        ///< (third − first quartile) / median
  bool settled = false;           ///< the stopping rule was met; else the time ran out first
  std::optional<bool> throttled;  ///< whether the GPU held its clocks back while sampling; nothing when not known
  std::string cache;              ///< "weights-cold"; "cold" where a problem has no weights and all inputs rotate
  std::string launch;             ///< "eager"
  std::string failure;            ///< why there are no samples; empty when there are
};

/// Median, quartiles by linear interpolation. Fills median_us and relative_iqr from samples_us.
void summarize(Sample&);

/// How many copies of `bytes` to go round so that more than three caches' worth of other copies are read before one is
/// used again: it is then cold. (A flush by reading; one that wrote would leave the cache to be written back.)
size_t rotation_copies(size_t bytes, size_t cache_bytes);

class Timer {
 public:
  virtual ~Timer() = default;

  /// Times a verified variant. The caller sees to it that nothing else runs on that GPU and that no compiler runs on
  /// this machine meanwhile: both disturb the numbers and nothing here would notice.
  virtual Sample time(const Family&, const Point&, const Problem&, const std::filesystem::path& object) = 0;
};

}  // namespace qoq::measure
