#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "autotune/job/job.h"
#include "autotune/store/store.h"
#include "autotune/tune/workshop.h"

namespace qoq::tune {

/// What follows the search of a problem on an attached GPU: the finalists' race, other libraries' kernels, and what
/// limits the winner. Each is done once for an environment, or again where the search brought something new since, or
/// where it could not be done.
class Finish {
 public:
  Finish(Workshop& workshop, store::Store& store, int64_t environment, const job::Families& families, Summary& summary);

  /// Races the fastest rows of each layout, the incumbent among them, and replaces their samples by the race's. The
  /// incumbent is the winner of the last race (here, else in the earlier environment), else the published point, else
  /// the fastest row. A finalist that fails in the race is a failed row, and the others race again. Cross-checks the
  /// finalists' times.
  void race(const Problem& problem);
  /// Times other libraries' kernels; a missing library is a row that says so.
  void baselines(const Problem& problem);
  /// Asks the counters about the problem's winner.
  void explain(const Problem& problem);

  /// The fastest rows of a problem in the last other environment of this GPU (by its UUID) and these modes.
  std::vector<store::Candidate> earlier_best(const Problem& problem, size_t count) const;

 private:
  std::vector<store::Candidate> timed_rows(int64_t environment, const Problem& problem) const;
  std::vector<store::Candidate> finalists(const Problem& problem, const std::string& incumbent) const;
  std::string incumbent(const Problem& problem, const std::vector<store::Candidate>& rows) const;
  std::optional<store::Candidate> winner(const Problem& problem) const;
  std::optional<store::RaceRow> last_race(int64_t environment, const Problem& problem) const;
  std::vector<measure::Subject> subjects(const Problem& problem, const std::vector<store::Candidate>& rows) const;
  /// Whether a finalist was struck off, so that the race says nothing.
  bool strike_off(const std::vector<store::Candidate>& rows, const measure::RaceResult& result);
  void record_race(const std::vector<store::Candidate>& rows, size_t incumbent, const measure::RaceResult& result);
  nlohmann::ordered_json known_without_running(const store::Candidate& row, const measure::Subject& subject) const;
  void cross_check(const Problem& problem, const store::Candidate& row, const measure::Subject& subject);

  Workshop& shop_;
  store::Store& store_;
  int64_t environment_;
  std::optional<int64_t> earlier_;
  const job::Families& families_;
  Summary& summary_;
};

}  // namespace qoq::tune
