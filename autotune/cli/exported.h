#pragma once
#include <optional>
#include <string>
#include <vector>

#include "autotune/interchange/gbench.h"
#include "autotune/interchange/recorded_space.h"
#include "autotune/store/store.h"

namespace qoq::cli {

/// The rows that --gpu and --problem leave; empty: all.
struct RowFilter {
  std::string target, problem;
};

/// One problem's rows of one family in one environment, as other programs take them.
struct ExportedSpace {
  interchange::RecordedSpace space;
  std::vector<std::optional<double>> predicted_us;  ///< of its entries, in order, where a row holds what was predicted
  std::vector<std::string> variants;                ///< of its entries, in order
  store::Environment environment;                   ///< of its rows
  std::string file_name;                            ///< "gemm-mma_gemm-w4a8-g128-m-64-…-NVIDIA-H200.T4.json"
};

/// Of each target the environment used last that has such rows. Times of one source a space: measured when any is.
/// Left out and counted: ablations, other libraries' kernels, rows verified but not timed, and points that lack a
/// parameter of the others.
std::vector<ExportedSpace> exported_spaces(const store::Store& store, const RowFilter& filter, size_t& left_out);

/// Measured rows with samples, "PROBLEM/VARIANT" each (ablations "+ablated"), of the environment used last that has
/// any. Throws Fault::Input when several targets have: names would not tell them apart.
struct ExportedRuns {
  std::vector<std::pair<std::string, std::string>> context;
  std::vector<interchange::BenchmarkRun> runs;
};
ExportedRuns exported_runs(const store::Store& store, const RowFilter& filter);

}  // namespace qoq::cli
