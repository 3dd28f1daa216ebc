#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "autotune/report/report.h"
#include "autotune/store/store.h"

namespace qoq::report {

/// A database file in a temporary folder, removed at the end.
class TemporaryStore {
 public:
  TemporaryStore();
  ~TemporaryStore();
  std::filesystem::path path() const { return folder_ / "tune.db"; }
  std::filesystem::path folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

/// What a tuning run leaves behind, made up but plausible: simulated A100, L40S and H200, the four matrices of
/// Llama-3-8B at six sizes, 22 variants each, of which some are illegal or failed. Deterministic.
struct Sample {
  std::vector<Chosen> chosen;
  std::vector<LayoutChoice> layouts;
};
Sample fill_sample(store::Store& store);

/// An attached H200 with three measured problems (m = 16, 512, 4096; n = k = 4096), two variants each, and beside them
/// cuBLASLt's kernels: int8 right, fp8 with one wrong algorithm, bf16 not there. The environment's id.
int64_t fill_baselines(store::Store& store);

/// The same, and what measuring said of it: races (m = 512: the second variant lost its place), cross-checks (m = 16
/// too short to judge, 512 agrees, 4096 differs, an earlier winner's is missing), counters (m = 16 and 4096; at 512
/// there was no access), 3 samples of ours and 2 of cuBLASLt's thrown away. One race is of a problem that has no rows.
int64_t fill_measured(store::Store& store);

/// One environment and one problem, to which a test adds its own candidates.
store::Environment sample_environment(const std::string& target);
store::ProblemRow sample_problem(int m, int n, int k);
/// An ok, predicted, verified candidate.
store::Candidate sample_candidate(const std::string& problem, const std::string& variant, double median_us);

}  // namespace qoq::report
