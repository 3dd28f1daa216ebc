#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "autotune/baselines/baseline.h"
#include "autotune/measure/sampling.h"
#include "autotune/verify/verifier.h"

namespace qoq::baselines {

/// One kernel of another library on one problem.
struct BaselineRow {
  std::string name;        ///< Baseline::name()
  std::string id;          ///< Offer::id
  std::string arithmetic;  ///< its peak among the sheet's tensor rates
  verify::Verdict verdict;
  measure::Sample sample;  ///< without samples unless the verdict is Ok
  size_t workspace_bytes = 0;
  std::string details = "{}";  ///< json object; holds "arithmetic" and "workspace_bytes" too
};

/// A baseline that has no row here, and why.
struct AbsentBaseline {
  std::string name, arithmetic;
  bool missing = false;  ///< the library is not here; else it cannot solve this problem
  std::string reason;    ///< "missing: …" or "unsupported: …"
};

struct BaselineRun {
  std::vector<BaselineRow> rows;
  std::vector<AbsentBaseline> absent;
  bool context_lost = false;  ///< the last row took the GPU's context along: the others were not run
};

/// Where a library's kernels run: an attached GPU, or a made-up one in tests.
class Bench {
 public:
  virtual ~Bench() = default;
  /// Queues once and waits. Throws Error when that fails, ContextLost when nothing more can run.
  virtual void run_once(const std::function<void(const runtime::Stream&)>& queue) = 0;
  virtual std::unique_ptr<measure::Lane> lane(const measure::Runnable& runnable, measure::Modes modes) = 0;
  virtual measure::Stand& stand() = 0;
};

/// Every candidate of every baseline of the problem's operator: run on a poisoned output, compared, and, when right,
/// timed as our variants are. A candidate that fails is a row with its verdict. `rested` as take_sample has it.
BaselineRun run_baselines(std::span<const std::unique_ptr<Baseline>> all, const Problem& problem, const Device& device,
                          Bench& bench, measure::Modes modes, const measure::SamplingLimits& limits, bool rested);

/// The same with baselines() on the stand's GPU, whose context must be current. `timeout_s`: of one run.
BaselineRun run_baselines(const Problem& problem, const Device& device, measure::CudaStand& stand, measure::Modes modes,
                          const measure::SamplingLimits& limits, bool rested, double timeout_s = 10);

/// As the worker's protocol carries it; from_json throws nlohmann's exceptions for anything else.
void to_json(nlohmann::json& json, const BaselineRun& run);
void from_json(const nlohmann::json& json, BaselineRun& run);

}  // namespace qoq::baselines
