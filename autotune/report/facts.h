#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "autotune/report/overhead_facts.h"
#include "autotune/report/progress.h"
#include "autotune/report/report.h"
#include "autotune/store/store.h"
#include "roofline/model/ceilings.h"

namespace qoq::report {

/// What became of one library's kernels for a problem. They are shown beside ours and never among them.
struct BaselineFacts {
  std::string name;                      ///< "cublaslt/int8"
  std::string arithmetic;                ///< the tensor rate that is its peak; empty: not known
  std::optional<store::Candidate> best;  ///< the fastest right one
  int64_t tried = 0;                     ///< rows, right or not
  std::string reason;                    ///< why there is no best one; "missing: …" when the library is not there
};

/// The same samples of a row by events and by CUPTI Activity (details' key "cross_check"): medians of one run.
struct CrossCheckFacts {
  double events_us = 0, activity_us = 0;
  double kernels_us = 0;  ///< its kernels without the waits between them; 0: not recorded
  std::string missing;    ///< why there is none; the times are 0 then
};

/// What the GPU's counters said of one run of a row (details' key "counters").
struct CounterFacts {
  std::string rung;  ///< "counters", or what was to be had instead: "activity", "prediction"
  int64_t passes = 0;
  std::string reason;                    ///< why the rung is no better one
  std::map<std::string, double> values;  ///< by the names of autotune/counters
};

/// A row that was looked into beyond its samples: a race's winner, now or earlier.
struct ProfiledRow {
  std::string variant;
  std::optional<CrossCheckFacts> cross_check;
  std::optional<CounterFacts> counters;
};

/// How sampling went (details' keys "discarded" and "throttled").
struct SampleCounts {
  int64_t rows = 0;       ///< measured ones
  int64_t kept = 0;       ///< their samples
  int64_t discarded = 0;  ///< thrown away, since the clocks were held back or had dropped
  int64_t discarding_rows = 0;
  int64_t throttled_rows = 0;  ///< while they were sampled the GPU gave a reason for throttling
};

/// Rows a problem is shown with beside its winner.
constexpr size_t kFastest = 6;

/// What the store knows of one problem on one GPU. Ablations are left out, and baselines stand apart: they
/// are not to be deployed.
struct ProblemFacts {
  store::ProblemRow problem;
  std::string label;           ///< where the job has it from: "gate_up tp=1"
  std::string how;             ///< how the chosen variant was found; "fastest row" when nobody handed in a choice
  std::string chosen_variant;  ///< empty: there is nothing to choose
  std::optional<store::Candidate> chosen;     ///< its row; none when the variant was not tuned on this problem
  std::optional<store::Candidate> runner_up;  ///< the fastest other row of the chosen one's source and layout
  std::optional<store::Candidate> published;  ///< QServe's table point, whatever became of it
  std::vector<store::Candidate> fastest;      ///< at most kFastest of the chosen one's source, whatever their layout
  double weight = 0;                          ///< of all jobs' uses; 0: in no job
  bool listed = true;                         ///< among those that take most of the job's time: has its row in tables
  bool detailed = true;                       ///< … and its details
  Progress progress;                          ///< of the search, by the chosen one's source
  std::map<store::Outcome, int64_t> outcomes;
  std::vector<BaselineFacts> baselines;  ///< in the order recorded
  std::optional<store::RaceRow> race;    ///< of its fastest variants
  std::vector<ProfiledRow> profiled;     ///< in the order recorded
  std::vector<OverheadFacts> overheads;  ///< ablation rows of the chosen kernel, the race's winner and the best of
                                         ///< each dequantisation form, fastest kernel first

  bool timed() const { return chosen && chosen->median_us; }
  /// Weight × time: by this the problems of a large job are told from those nobody will miss.
  double time_in_job_us() const { return timed() ? weight * *chosen->median_us : 0; }
  /// The published point's row, when its time may be compared with the chosen one's (same source).
  const store::Candidate* comparable_published() const;
};

struct FailureGroup {
  store::Outcome outcome = store::Outcome::Illegal;
  std::string reason;  ///< one of the group's; they differ in numbers only
  bool numbers_vary = false;
  int64_t count = 0;
  std::string example_problem;
  std::string example_variant;
};

/// One GPU: its newest environment.
struct GpuFacts {
  store::EnvironmentRow row;
  std::vector<roofline::Ceiling> ceilings;
  std::vector<ProblemFacts> problems;          ///< by op, scheme, weights, then size
  std::vector<FailureGroup> failures;          ///< most frequent first
  std::map<store::Outcome, int64_t> outcomes;  ///< without ablations and baselines
  std::map<std::string, int64_t> verified;     ///< ok rows by where they were verified; "" = not
  std::map<store::Source, int64_t> timed;      ///< rows with a time, by source
  std::vector<LayoutChoice> layouts;
  SampleCounts samples;           ///< of our kernels, ablations too
  SampleCounts baseline_samples;  ///< of other libraries' kernels
  int64_t candidates = 0;
  int64_t ablations = 0;
  int64_t baselines = 0;

  std::string mode;  ///< what tells it from other environments of the same GPU here: "hot, graph"; or empty

  std::string name() const;  ///< "NVIDIA H200 (simulated)", "NVIDIA H200, hot, graph"
  std::string id() const;    ///< anchor: "gpu-3"
  bool simulated() const;
  std::string source() const;  ///< of its times: "measured", "predicted", "measured and predicted", "no times"
};

/// A page of 100,000 rows stays one that opens: so many rows of tables and details it holds, shared by its GPUs. What
/// is left out is said, and stands in candidates.csv.
constexpr size_t kMostListed = 900, kMostDetailed = 300;
/// A GPU's share of that, and enough where there are many GPUs.
size_t share_of(size_t most, size_t gpus);

struct Facts {
  std::string database;
  std::string generated_at;  ///< empty: not said, so that equal stores give equal reports
  std::string newest_at;     ///< when the newest rows were asked for
  std::string command_line;
  std::vector<store::JobRow> jobs;
  std::vector<store::RunRow> runs;  ///< the commands that filled the database, in the order started
  std::vector<GpuFacts> gpus;
  /// Environments that a newer one of the same GPU and mode has replaced; their rows are in the CSV only.
  std::vector<store::EnvironmentRow> superseded;
  int64_t candidates = 0;
};

/// Every candidate of an environment, in the order recorded.
using Candidates = std::map<int64_t, std::vector<store::Candidate>>;

Facts collect_facts(const store::Store& store, const Candidates& candidates, const std::vector<Chosen>& chosen,
                    const std::vector<LayoutChoice>& layouts, const Options& options);

}  // namespace qoq::report
