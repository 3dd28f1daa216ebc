#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/measure/modes.h"
#include "kernels/family.h"
#include "kernels/runtime/cuda_device.h"

namespace qoq::measure {

/// What goes wrong when a recorded variant runs.
enum class RecordedFault {
  None,         ///< "none"
  Hang,         ///< "hang": it never ends; the context is lost at the time-out
  StickyError,  ///< "sticky-error": an illegal address, the context is lost at once
  Crash,        ///< "crash": the process dies
  WrongOutput,  ///< "wrong-output": it runs well, but what it computes is wrong: only verification sees it
  OutOfMemory,  ///< "out-of-memory": its operands find no room; only this variant is lost
  GpuLost,      ///< "gpu-lost": the GPU has fallen off the bus
};

/// What a subject is run for.
enum class RecordedPhase {
  Verify,  ///< "verify"
  Time,    ///< "time": alone, in a race or for a cross-check
  Count,   ///< "count"
};

/// A variant's id or a problem's text, or a regular expression (ECMAScript) that matches the whole of it; empty
/// matches everything.
class RecordedPattern {
 public:
  RecordedPattern() = default;
  /// Throws std::regex_error. Implicit, so that tables of patterns read as text.
  RecordedPattern(std::string text);
  RecordedPattern(const char* text) : RecordedPattern(std::string(text)) {}
  bool matches(const std::string& text) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::regex expression_;
};

/// Of one sample, as a share of its time.
struct RecordedNoise {
  double share = 0;       ///< standard deviation of the bell
  double tail_share = 0;  ///< so many samples lie in a tail above it (0: no skew)
  double tail = 0.2;      ///< and are so much longer
};

/// Everything becomes slower by `share` in the course of `over_s`, evenly, and stays so.
struct RecordedDrift {
  double share = 0;
  double over_s = 10;
};

/// While it lasts all clocks are lower by a factor, and times longer.
struct RecordedThrottling {
  double from_s = 0, to_s = 0;  ///< of the stand's time, which begins at 0
  double clock_factor = 0.8;
  bool in_nvml = true;   ///< NVML gives its reason
  bool in_clock = true;  ///< the SM clock of a reading shows it
};

/// The first entry that matches counts.
struct RecordedTime {
  RecordedPattern variant, problem;
  double us = 0;  ///< true time of one run, weights-cold, eager
};

/// The first entry that matches variant, problem and phase counts.
struct RecordedTrouble {
  RecordedPattern variant, problem;
  RecordedFault fault = RecordedFault::None;
  std::vector<RecordedPhase> during = {};  ///< empty: whatever it is run for
  int after_samples = 0;                   ///< so many samples go well before it, in each lane
};

/// A GPU that exists only as a record of how it behaves: stands in for an attached one in tests, in no wall time.
///
/// As a file it is one JSON object. Only "recorded_gpu" and "gpu" are required, what is left out is as below:
///   {"recorded_gpu": 1,                                          version of the format
///    "gpu": {"name": "NVIDIA H200", "uuid": "GPU-…", "compute_capability": 90, "sm_count": 132,
///            "shared_per_block_bytes": 232448, "shared_per_sm_bytes": 233472, "threads_per_sm": 2048,
///            "blocks_per_sm": 32, "l2_bytes": 62914560, "memory_bytes": 150754820096,
///            "registers_per_sm": 65536, "shared_reserved_bytes": 1024, "driver_api": 13000,
///            "driver": "580.159.04", "mig": "", "power_cap_w": 700},
///    "clock_mhz": 1980, "dram_gb_s": 4800, "tensor_tops": 1979, "seed": 1, "timeout_s": 10, "sample_us": 300,
///    "cold_factor": 1, "hot_factor": 1, "graph_factor": 1, "really": false,
///    "noise": {"share": 0.03, "tail_share": 0, "tail": 0.2},
///    "drift": {"share": 0.05, "over_s": 10},
///    "throttling": [{"from_s": 2, "to_s": 5, "clock_factor": 0.8, "in_nvml": true, "in_clock": true}],
///    "times": [{"variant": "mma\\..*\\.imad\\.fragment", "problem": "gemm w4a8-g128 m=16 .*", "us": 16.5}],
///    "faults": [{"variant": "…", "problem": "…", "fault": "hang", "during": ["time"], "after_samples": 3}],
///    "counters": {"occupancy_pct": 42}, "counters_refused": "", "activity_factor": 1}
struct RecordedDevice {
  runtime::AttachedGpu gpu;
  double clock_mhz = 1980;
  double dram_gb_s = 4800, tensor_tops = 1979;               ///< what times that are not recorded derive from
  uint64_t seed = 1;                                         ///< of the noise
  double timeout_s = 10;                                     ///< after which a hang is taken for one
  double sample_us = 300;                                    ///< that a sample takes beside the run it tells of
  double cold_factor = 1, hot_factor = 1, graph_factor = 1;  ///< on the true time, by mode
  bool really = false;  ///< a hang blocks for ever and a crash aborts the process, for tests of a child process
  RecordedNoise noise;
  RecordedDrift drift;
  std::vector<RecordedThrottling> throttling;
  std::vector<RecordedTime> times;
  std::vector<RecordedTrouble> faults;

  std::map<std::string, double> counters;  ///< what every variant's counters say
  std::string counters_refused;            ///< why counters are not to be had; empty when they are
  double activity_factor = 1;              ///< CUPTI Activity's times over those by events

  /// The true time of one run in µs. Where none is recorded it derives from a digest of the variant and the problem:
  /// 1.1 to 3 times as long as memory or tensor cores need for the problem's work.
  double true_us(const std::string& variant, const std::string& problem, const Work& work, Modes modes) const;
  /// What goes wrong; an entry of fault None when nothing does.
  const RecordedTrouble& trouble(const std::string& variant, const std::string& problem, RecordedPhase phase) const;

  /// Reads the text of a file. Throws Fault::Input: "h200.json: faults[2].fault: expected …, found …".
  static RecordedDevice parse(const std::string& file, std::string_view text);
  static RecordedDevice load(const std::filesystem::path& path);
  /// A whole H200 with its facts and no noise, to build on in tests.
  static RecordedDevice h200();
};

/// As files write it: "hang", …
std::string_view to_text(RecordedFault fault);

}  // namespace qoq::measure
