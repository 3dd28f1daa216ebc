#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autotune/replay/landscape.h"

namespace qoq::replay {

/// Shares of a space after which a search is looked at.
inline constexpr std::array shares{0.01, 0.02, 0.05, 0.10, 0.20};

struct Settings {
  std::vector<std::string> strategies;
  int seeds = 50;  ///< 1 … seeds, each a search of its own
  int jobs = 1;    ///< threads
};

/// How far the searches of one strategy were after so many evaluations: the space's best time over the best time that
/// the search had found, 0 where it had found none. Over the seeds.
struct Standing {
  size_t evaluations = 0;
  double mean = 0, standard_error = 0;  ///< of the mean
  double tenth = 0, median = 0, ninetieth = 0;
  bool operator==(const Standing&) const = default;
};

struct StrategyResult {
  std::string strategy;
  std::vector<Standing> curve;      ///< at growing numbers of evaluations, up to the largest share
  std::vector<Standing> at_shares;  ///< as `shares`
};

struct SpaceResult {
  std::string name, gpu, source;
  size_t points = 0;      ///< of the space
  size_t timed = 0;       ///< of those; the others failed, which costs an evaluation too
  size_t refused = 0;     ///< left out: refused before they were compiled, which costs nothing
  double neighbours = 0;  ///< Landscape::neighbours()
  double best_us = 0, median_us = 0;
  std::vector<StrategyResult> strategies;
  /// Where a model was asked: whether nothing in it was fitted on this problem. For who predicts to say.
  std::optional<bool> held_out = {};
};

/// Evaluations that a share of the space is: at least one.
size_t evaluations(double share, size_t points);

/// Called from any thread, with how many of all searches are done.
using Progress = std::function<void(size_t done, size_t all)>;

/// Runs every strategy from every seed on every landscape: the strategies ask as they would while tuning, the record
/// answers. The same input gives the same result whatever `jobs` is. Throws Fault::Input for an unknown strategy, for
/// seeds below 1, and for a strategy that needs predictions on a landscape without.
std::vector<SpaceResult> run(const std::vector<Landscape>& landscapes, const Settings& settings,
                             const Progress& progress = {});

}  // namespace qoq::replay
