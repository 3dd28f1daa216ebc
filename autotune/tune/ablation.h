#pragma once
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/job/job.h"
#include "autotune/store/store.h"
#include "autotune/tune/workshop.h"

namespace qoq::tune {

/// What dequantisation costs the best kernels of a problem: each one's no-dequant ablation (point entry "ablated" = 1,
/// same loads, same MMAs) is compiled, proven against its own reference and timed as the kernel was. It is a row of its
/// own, never selectable, whose details hold the comparison under "overhead". A kernel that has no ablation gets an
/// illegal row that says why. On an attached GPU the kernel is sampled again right before its ablation, so that both
/// met the same clocks, and both are predicted too where the GPU has a sheet.
class Ablation {
 public:
  Ablation(const job::Job& job, Workshop& workshop, store::Store& store, int64_t environment,
           const job::Families& families, Summary& summary);

  /// Of the problem's best kernel, and of the best with each value of the job's `ablate_each`. Ablations that the
  /// environment's rows have already are not made again.
  void take(const Problem& problem, const std::stop_token& stop);

 private:
  std::vector<store::Candidate> kernels(const Problem& problem) const;
  store::Candidate ablate(const store::Candidate& kernel, const Built& whole, Built& bare, const std::stop_token& stop);
  std::optional<Timing> timed(const Built& built);
  Timing beside(const Built& whole, const Built& bare, nlohmann::ordered_json& found);
  std::string overhead(const store::Candidate& kernel, const Timing& kernel_timing, const Timing& timing,
                       const Built& whole, const Built& bare);

  const job::Job& job_;
  Workshop& shop_;
  store::Store& store_;
  int64_t environment_;
  const job::Families& families_;
  Summary& summary_;
  std::unique_ptr<Clock> predicting_;  ///< where the target is attached and has a sheet
};

}  // namespace qoq::tune
