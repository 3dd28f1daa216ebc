#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "autotune/store/store.h"

namespace qoq::bandwidth {

/// The fastest that an environment reads memory and does nothing else: of its `ceiling read …` problems, whatever
/// their sizes, the one with the most GB/s. Never a sheet's number.
struct Ceiling {
  store::Source source = store::Source::None;
  std::string problem;
  std::string variant;
  double time_us = 0;
  double gb_per_s = 0;
};

/// The same work in another format: a problem of the same operator that is equal in every field but its scheme.
struct Other {
  std::string scheme;
  std::string problem;
  double time_us = 0;
  double speed = 1;  ///< its time / the row's: 2 means that the row takes half as long
};

/// A problem's best kernel (Store::best(): the winner of its race, else the fastest). Shares and ratios are among times
/// of the row's own source only.
struct Row {
  std::string problem;
  std::string variant;
  std::string layout;
  store::Source source = store::Source::None;
  double time_us = 0;                        ///< median
  std::optional<double> noise = {};          ///< relative interquartile range, where it was measured
  double read_bytes = 0, write_bytes = 0;    ///< what any solution must move: each input and output once
  std::optional<double> ceiling_share = {};  ///< GB/s / the ceiling's; nothing without a ceiling of this source
  std::vector<Other> others = {};            ///< by scheme

  double bytes() const { return read_bytes + write_bytes; }
  double gb_per_s() const { return bytes() / time_us * 1e-3; }
};

/// One environment's problems; those that differ in their scheme only stand together.
struct Table {
  std::string target;
  std::vector<Ceiling> ceilings;  ///< one a source that has any, measured first
  std::vector<Row> rows;
};

/// Reads the ok, verified, timed, not ablated candidates of an environment.
Table tabulate(const store::Store& store, const store::EnvironmentRow& environment);

/// `environment` is how it reads in a sentence: the first line.
std::string to_text(const Table& table, const std::string& environment);
nlohmann::ordered_json to_json(const Table& table, const std::string& environment);

}  // namespace qoq::bandwidth
