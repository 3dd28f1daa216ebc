#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::counters {

/// One counter of ours on one chip.
struct CounterMetric {
  std::string name;    ///< ours, the same on every chip ("dram_read_bytes")
  std::string metric;  ///< CUPTI's on this chip ("dram__bytes_read.sum")
  double scale = 1;    ///< ours = CUPTI's × scale (a sector of the L2 cache is 32 bytes)
};

/// A counter that this chip does not have.
struct AbsentCounter {
  std::string name;
  std::string reason;
};

/// The counters of one chip.
struct ChipCounters {
  std::string chip;
  std::vector<CounterMetric> metrics;
  std::vector<AbsentCounter> absent;
  std::string reason;  ///< why there is no table for the chip, a sentence; empty when there is
};

/// By CUPTI's chip name ("GH100"). A chip that nobody has looked up the names for has no table: metrics of another chip
/// may exist on it and mean something else.
ChipCounters counters_of(std::string_view chip);

/// The first chip of a compute capability (90: "GH100"), for validating without a GPU; empty when there is no table for
/// any. An attached GPU is asked for its own name instead: dies of one capability differ.
std::string_view chip_of(int compute_capability);

/// Every chip that has a table: the six whose names were looked up and their smaller dies, which share them.
std::span<const std::string_view> known_chips();

}  // namespace qoq::counters
