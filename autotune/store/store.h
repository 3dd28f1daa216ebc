#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "autotune/store/rows.h"

namespace qoq::store {

enum class Mode { ReadWrite, ReadOnly };

/// Which candidates a query returns; what is not set does not restrict.
struct Filter {
  std::optional<int64_t> environment = std::nullopt;
  std::optional<std::string> problem = std::nullopt;  ///< ProblemRow::text
  std::optional<Outcome> outcome = std::nullopt;
  std::optional<bool> ablated = std::nullopt;
  std::optional<bool> baseline = std::nullopt;
  bool timed = false;    ///< only rows with a median
  bool samples = true;   ///< read the raw samples too
  bool kernels = true;   ///< read the kernel rows too
  bool by_time = false;  ///< fastest first (then by variant), rows without a time last; else in the order recorded
  int64_t limit = -1;    ///< −1: all
};

/// Failures counted by outcome and reason, most frequent first.
struct FailureCount {
  Outcome outcome = Outcome::Illegal;
  std::string reason;
  int64_t count = 0;
  std::string example_problem;
  std::string example_variant;
};

struct OutcomeCount {
  Outcome outcome = Outcome::Ok;
  bool ablated = false;
  bool baseline = false;
  Source source = Source::None;
  int64_t count = 0;
};

/// The tuning database: SQLite in WAL mode, one writer, any number of readers, one commit per record().
///
/// A killed writer loses at most the record() it was in. One thread at a time may use a Store. The file is one file
/// once the writer has closed it; beside it lies "<file>.lock", by which a second writer is refused at once (it needs
/// no cleaning after a kill).
///
/// Every function throws Error with one sentence that names the file: Fault::Input when the file is missing, not ours,
/// or of a newer schema, or when another tuner writes it; Fault::Work when the disk is read-only or full (nothing that
/// was committed is lost) or the file is damaged.
class Store {
 public:
  /// ReadWrite creates the file and its folders where missing, and migrates an older schema in one transaction.
  /// ReadOnly reads a database of the last schema, or of schema 2 as it is.
  static Store open(const std::filesystem::path& path, Mode mode);
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  const std::filesystem::path& path() const;

  // ---- writing (ReadWrite only)

  /// Finds the environment or adds it; its id.
  int64_t environment(const Environment& environment);
  /// The ceilings the report draws; replaces earlier ones.
  void put_gpu(int64_t environment, const GpuRow& gpu);
  /// Adds the problem, or replaces what is known of it. Needed before its candidates and jobs.
  void put_problem(const ProblemRow& problem);
  /// Adds the job, or replaces it and its items.
  void put_job(const JobRow& job);
  /// Adds a start of a tuning run, whether or not it comes to anything.
  void add_run(const std::string& job, const std::string& command);
  /// Records a candidate and commits it. The same candidate in the same environment is replaced.
  void record(int64_t environment, const Candidate& candidate);
  /// Records them all in one transaction: all or none.
  void record(int64_t environment, std::span<const Candidate> candidates);
  /// Puts the keys of a json object into the details of a candidate already recorded; a key that is there is replaced,
  /// the others stay. Throws Fault::Work when there is no such candidate or the text is not an object.
  void add_details(int64_t environment, std::string_view problem, std::string_view variant, bool ablated,
                   std::string_view object);
  /// Deletes the problem's baselines of this environment, the failed ones too: a library that was missing may be there.
  void forget_baselines(int64_t environment, std::string_view problem);
  /// Adds the ceiling, or replaces the environment's one of that name.
  void put_ceiling(int64_t environment, const CeilingRow& ceiling);
  /// Adds the race, or replaces the environment's one of that problem.
  void put_race(int64_t environment, const RaceRow& race);

  // ---- reading

  /// Keys (finished_key) of the problem's candidates in this environment, whatever their outcome.
  std::unordered_set<std::string> finished(int64_t environment, std::string_view problem) const;

  std::vector<EnvironmentRow> environments() const;  ///< in the order added
  /// The environment of this target that was used last, e.g. "sim:h200".
  std::optional<EnvironmentRow> latest_environment(std::string_view target) const;
  std::vector<ProblemRow> problems() const;  ///< in the order added
  std::optional<ProblemRow> problem(std::string_view text) const;
  std::vector<JobRow> jobs() const;  ///< in the order added
  std::optional<JobRow> job(std::string_view name) const;
  std::vector<RunRow> runs() const;  ///< in the order started; none in a database of schema 2, which did not keep them

  std::vector<Candidate> candidates(const Filter& filter) const;
  /// Texts of the problems that have a candidate in this environment, in the order added; a baseline is none.
  std::vector<std::string> tuned_problems(int64_t environment) const;
  /// The best ok, verified, timed candidate of each problem in this environment, whatever its layout; never an ablation
  /// or a baseline. Measured ones come before predicted ones; among those the winner of the problem's race, whatever
  /// the others' medians say, else the fastest.
  std::vector<Candidate> best(int64_t environment) const;
  std::vector<FailureCount> failures(int64_t environment) const;
  std::vector<OutcomeCount> counts(int64_t environment) const;
  std::vector<CeilingRow> ceilings(int64_t environment) const;  ///< in the order first added
  std::vector<RaceRow> races(int64_t environment) const;        ///< in the order first added

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A candidate's key inside (environment, problem): its variant, with "+ablated" for the ablation.
std::string finished_key(std::string_view variant, bool ablated);

}  // namespace qoq::store
