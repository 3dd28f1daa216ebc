#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "autotune/compare/interval.h"
#include "autotune/store/store.h"

namespace qoq::compare {

/// How a problem's fastest kernel stands to what it was. Text: faster · slower · same · unclear.
enum class Verdict { Faster, Slower, Same, Unclear };
std::string_view to_text(Verdict verdict);

struct Settings {
  double tie = 0.01;         ///< ratios up to 1 + tie, and down to its inverse, are the same
  double confidence = 0.99;  ///< of a measured ratio's interval
  std::string target = "";   ///< "cuda:0": only this target's environments; empty: all
};

/// A problem's best row in one database.
struct Side {
  std::string variant;
  store::Source source = store::Source::None;
  double time_us = 0;  ///< median
  size_t samples = 0;
  std::optional<Interval> interval = {};  ///< of the median, us; measured rows with enough samples
};

/// One problem that both have.
struct Row {
  std::string problem;
  Side before, after;
  Verdict verdict = Verdict::Unclear;
  std::optional<double> ratio = {};          ///< after / before; nothing for times of two sources
  std::optional<Interval> ratio_range = {};  ///< measured ratios with enough samples
  std::string reason = {};                   ///< why it is unclear
  bool predicted() const { return before.source == store::Source::Predicted; }
};

/// A field in which two environments differ.
struct Difference {
  std::string field, before, after;
};

/// Two environments of the same product and modes.
struct Match {
  store::EnvironmentRow before, after;
  std::string name;  ///< "NVIDIA H200, weights-cold, eager"
  std::vector<Difference> differences;
  std::vector<Row> rows;                             ///< in the order of the first database
  std::vector<std::string> only_before, only_after;  ///< problems with a best row in one of them
};

struct Comparison {
  std::string before, after;  ///< the databases' paths
  Settings settings;
  std::vector<Match> matches;
  std::vector<std::string> unmatched_before, unmatched_after;  ///< names of those with times and no counterpart

  size_t count(Verdict verdict) const;
  /// Geometric mean of after / before over the rows of this source that have a ratio; nothing when there are none.
  std::optional<double> mean_ratio(store::Source source) const;
  /// Problems that only the first database has a best row of, in environments of both: their kernels no longer compile
  /// or verify, or were not run. Those of unmatched_before are not counted.
  size_t gone() const;
  /// 0 nothing is slower or unclear · 3 something is slower · 4 nothing is slower, but something unclear or only in the
  /// first database, or nothing could be compared. What only the second has is new and does no harm.
  int exit_code() const;
};

/// Of each product, cache mode and launch mode the environment used last that has a row to compare, in both databases;
/// of each problem its best row (Store::best(): the winner of its race, else the fastest). Throws Fault::Input when
/// both have environments but none in common.
Comparison compare(const store::Store& before, const store::Store& after, const Settings& settings);

/// The environments to compare, one a product and modes, without their rows.
std::vector<Match> match_environments(const store::Store& before, const store::Store& after, Comparison& comparison);

/// Judges two best rows of one problem.
Row judge(const store::Candidate& before, const store::Candidate& after, const Settings& settings);

std::string to_text(const Comparison& comparison);
nlohmann::ordered_json to_json(const Comparison& comparison);

}  // namespace qoq::compare
