#pragma once
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::counters {

/// What a GPU's counters said about one variant's run, summed over its launches unless named otherwise.
/// Names are ours, the same on every chip (table.h says which metric stands for each):
/// tensor_issue, alu_issue, fma_issue, lsu_issue, xu_issue (instructions), *_active_pct (of cycles), dram_read_bytes,
/// dram_write_bytes, l2_read_bytes, shared_bytes, bank_conflicts, occupancy_pct, stall_<reason>_pct, cycles.
/// Of the rung Activity: activity_us, a run's kernels by CUPTI Activity (each begin to end, added up), and launches.
using Values = std::map<std::string, double>;

/// Where a row's explanation comes from, best first.
enum class Rung { Counters, Activity, Prediction };

/// "counters", "activity", "prediction".
std::string_view to_text(Rung rung);

struct CounterReading {
  Rung rung = Rung::Prediction;
  Values values;
  int passes = 0;      ///< runs that it took; cycles come from one of them, slowed by counting: never a time
  std::string reason;  ///< why no better rung was to be had; empty on the best
};

/// For the worker's protocol and a row's details: {"rung", "passes", "reason", "values"}.
nlohmann::json to_json(const CounterReading& reading);
/// The reverse. Throws Fault::Input when it is none.
CounterReading counter_reading_from_json(const nlohmann::json& json);

/// One kernel as CUPTI Activity saw it.
struct KernelActivity {
  std::string name;
  double us = 0;        ///< from its begin to its end
  double begin_us = 0;  ///< after the trace's first kernel began
};

/// What came of trying one rung: values, or the sentence why there are none.
struct Attempt {
  Values values;
  int passes = 0;
  std::string reason;
  bool ok() const { return reason.empty(); }
};

}  // namespace qoq::counters
