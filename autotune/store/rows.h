#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::store {

/// How a candidate ended. A failure is data, never an exception. Text: ok · illegal · compile_failed · launch_failed ·
/// wrong · timeout.
enum class Outcome { Ok, Illegal, CompileFailed, LaunchFailed, Wrong, Timeout };

/// Where a time comes from; nothing mixes them silently, and emulated runs have no times. Text: none · measured ·
/// predicted · emulated.
enum class Source { None, Measured, Predicted, Emulated };

std::string_view to_text(Outcome outcome);
std::string_view to_text(Source source);
/// The reverse. Throws Fault::Input on an unknown word.
Outcome outcome_from_text(std::string_view text);
Source source_from_text(std::string_view text);

/// What a row was made on. Two rows compare only inside one environment; a row of another one never counts as finished.
struct Environment {
  std::string target;        ///< "cuda:0" or "sim:h200"
  std::string product;       ///< "NVIDIA H200"; a simulated GPU's sheet name
  std::string uuid;          ///< empty when simulated
  std::string architecture;  ///< "sm_90a"
  int sm_count = 0;
  double power_cap_w = 0;
  std::string driver;       ///< its own version, "580.159.04"; empty when simulated
  std::string mig = {};     ///< MIG profile, "1g.18gb"; empty for a whole GPU
  std::string cupti = {};   ///< version of the CUPTI that measured along; empty when there was none
  std::string compiler;     ///< NVRTC's identity and flags
  std::string kernels;      ///< digest of the kernel sources, so that rows of older kernels are not taken for new ones
  std::string cache_mode;   ///< "weights-cold", "cold", "hot"
  std::string launch_mode;  ///< "eager", "graph"
  std::string predictor;    ///< version and sheet digest of the model that predicts; empty when measured

  /// Digest of every field above: the identity of the environment. A field that schema 1 did not have counts only when
  /// it says something, so that rows from then are found again.
  std::string key() const;
  bool operator==(const Environment&) const = default;
};

/// What the report needs to draw an environment's roofline from the database alone.
struct GpuRow {
  std::string name;             ///< "NVIDIA H200"
  std::string ceilings = "{}";  ///< json object: bandwidths, tensor and CUDA-core rates, with their provenance
  bool operator==(const GpuRow&) const = default;
};

struct EnvironmentRow {
  int64_t id = 0;
  Environment environment;
  GpuRow gpu;              ///< name empty until put_gpu()
  std::string created_at;  ///< UTC, "2025-11-23T09:14:02.123Z"
  std::string used_at;     ///< when a row was last asked to be written here
};

/// A problem's text is its key: "gemm w4a8-g128 m=64 n=28672 k=4096".
struct ProblemRow {
  std::string text;
  std::string op;            ///< "gemm"
  std::string scheme;        ///< "w4a8-g128"
  std::string layout_group;  ///< problems with the same op, scheme and group read the same weights: "n=28672 k=4096"
  double ops = 0;            ///< tensor-core multiplications and additions
  std::string arithmetic;    ///< the tensor rate that bounds them: "int8", "fp16"
  double read_bytes = 0;     ///< each input once
  double write_bytes = 0;    ///< each output once
  bool operator==(const ProblemRow&) const = default;
};

/// One use of a problem in a job; the same problem may appear under several labels.
struct JobItem {
  std::string problem;  ///< ProblemRow::text
  std::string label;    ///< "gate_up tp=2"
  double weight = 1;    ///< calls a step, times the weight of its M
  bool operator==(const JobItem&) const = default;
};

struct JobRow {
  std::string name;  ///< key
  std::string text;  ///< the job file as read
  std::vector<JobItem> items;
  std::string created_at;  ///< filled by the store
};

/// One launch of a candidate. The kernel is keyed by (digest, entry); grid, threads and dynamic shared memory belong to
/// the launch. Candidates that share a cubin share its row.
struct KernelRow {
  std::string digest;  ///< of the cubin
  std::string entry;
  int registers = 0;  ///< a thread
  int64_t static_shared_bytes = 0;
  int64_t spill_bytes = 0;     ///< stores and loads
  int64_t local_bytes = 0;     ///< stack frame
  std::string details = "{}";  ///< json object: instruction mix of the main loop, …
  int64_t dynamic_shared_bytes = 0;
  int64_t ctas = 0;  ///< of the grid
  int threads = 0;   ///< a CTA
  bool operator==(const KernelRow&) const = default;
};

/// One variant on one problem. Key inside an environment: problem, variant, ablated.
struct Candidate {
  std::string problem;       ///< ProblemRow::text
  std::string family;        ///< "gemm/mma"
  std::string variant;       ///< "mma.bm128.bn64…"
  std::string layout;        ///< "qserve", "fragment"
  std::string point = "{}";  ///< json object: parameter → value
  bool ablated = false;      ///< the no-dequant ablation: never selectable
  bool published = false;    ///< the point that published code (QServe's table) uses for this problem
  bool baseline = false;     ///< another library's kernel, to compare with: never selectable

  Outcome outcome = Outcome::Ok;
  std::string reason;  ///< a sentence; required unless ok

  Source source = Source::None;
  std::optional<double> median_us;  ///< only when measured or predicted, only when ok
  std::optional<double> noise;      ///< relative interquartile range
  std::vector<double> samples_us;   ///< raw, in the order taken
  double speed_of_light_us = 0;     ///< least time of the problem in this environment; 0 unknown
  std::string details = "{}";       ///< json object: a prediction's parts, counters, …

  std::string verified_on;     ///< "emulator", "cuda", or empty: not verified
  std::string verify_problem;  ///< text of the (reduced) problem it was verified on
  double max_error = 0;
  uint64_t seed = 0;

  std::vector<KernelRow> kernels;  ///< in launch order
  std::string created_at;          ///< filled by the store

  bool operator==(const Candidate&) const = default;
};

/// What a GPU was measured to reach at most ("memory read", "int8 tensor"). Key inside an environment: the name.
struct CeilingRow {
  std::string name;
  double value = 0;
  std::string unit;             ///< "GB/s", "TOPS"
  double sheet_value = 0;       ///< what the product's sheet says, in the same unit; 0 unknown
  std::string details = "{}";   ///< json object: how it was measured, the samples' spread, …
  std::string created_at = {};  ///< filled by the store
  bool operator==(const CeilingRow&) const = default;
};

/// One start of a tuning run; the same command may be run again and again.
struct RunRow {
  std::string job;         ///< JobRow::name
  std::string command;     ///< as typed
  std::string started_at;  ///< filled by the store
  bool operator==(const RunRow&) const = default;
};

/// How the fastest candidates of a problem did when run in turns. Key inside an environment: the problem.
struct RaceRow {
  std::string problem;          ///< ProblemRow::text
  std::string winner;           ///< variant
  std::string incumbent;        ///< variant that ties go to
  std::string reason;           ///< why the winner won, a sentence
  std::string details = "{}";   ///< json object: each finalist's times, …
  std::string created_at = {};  ///< filled by the store
  bool operator==(const RaceRow&) const = default;
};

}  // namespace qoq::store
