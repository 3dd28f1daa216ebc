#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "autotune/counters/table.h"

namespace qoq::counters {

/// CUPTI's host side for one chip and one set of metrics: which counters to configure, in how many passes, and what
/// they mean. Needs no GPU and no driver. (CUPTI User's Guide, "Host Profiling API".)
class Host {
 public:
  /// Whatever goes wrong is in reason(): an unknown chip, a metric that the chip does not have. One metric that is
  /// refused spoils the whole set (CUPTI's object answers nothing any more), so to find out which, ask for each alone.
  Host(const std::string& chip, std::vector<std::string> metrics);

  /// Why it cannot be used, a sentence; empty when it can.
  const std::string& reason() const { return reason_; }
  /// What the range profiler is configured with; not empty when reason() is.
  const std::vector<uint8_t>& image() const { return image_; }
  /// How often the work must run for all metrics to be read.
  int passes() const { return passes_; }
  const std::vector<std::string>& metrics() const { return metrics_; }

  /// The metrics' values of the first range in a decoded counter data image, in their order; none, and why not in
  /// `reason`, when CUPTI refuses it.
  std::vector<double> evaluate(std::span<const uint8_t> counter_data, std::string& reason) const;

 private:
  std::string configure(const std::string& chip);

  std::vector<std::string> metrics_;
  std::shared_ptr<void> object_;
  std::vector<uint8_t> image_;
  int passes_ = 0;
  std::string reason_;
};

/// What CUPTI's host side says of one counter.
struct CounterCheck {
  CounterMetric counter;
  bool known = false;
  int passes = 0;      ///< of this counter alone
  std::string reason;  ///< why it is not known
};

struct Validation {
  ChipCounters table;
  std::vector<CounterCheck> checks;  ///< one a metric of the table
  int passes = 0;                    ///< of the whole set; 0 when it cannot be configured
  std::string reason;                ///< why the whole set cannot be read on this chip; empty when it can
};

/// Whether every metric that the table names for a chip exists there, and in how many passes they are read together.
Validation validate(const std::string& chip);

}  // namespace qoq::counters
