#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/search/space.h"
#include "kernels/family.h"

namespace qoq::search {

/// A point with what became of it.
struct Evaluated {
  Point point;
  std::optional<double> time_us;  ///< measured or predicted; nothing when the point failed in any way
};

/// Decides which points of a space are tried, and in which order. The same space, settings and answers give the same
/// questions on every machine.
class Strategy {
 public:
  virtual ~Strategy() = default;
  /// The next points to try, none of them asked before; empty when the search is finished.
  virtual std::vector<Point> ask() = 0;
  /// What became of points that were asked, in any order. A strategy that does not learn ignores it.
  virtual void tell(std::span<const Evaluated> results) = 0;
};

/// Predicted times of points in microseconds, one for each; nothing where a point cannot be predicted.
using Predict = std::function<std::vector<std::optional<double>>(std::span<const Point>)>;

struct Settings {
  std::string strategy = "exhaustive";
  std::optional<int64_t> budget = {};  ///< most points asked; nothing: until the strategy ends
  uint64_t seed = 1;
  Predict predict = {};  ///< for strategies that need predictions; others never call it
  /// When the search will be stopped, where that is known: who predicts must leave time to measure.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
};

/// A line of the table of strategies.
struct Entry {
  std::string_view name;
  std::string_view help;
  std::unique_ptr<Strategy> (*make)(Space space, const Settings& settings);
  bool predicts = false;  ///< needs Settings::predict
};

/// Every strategy. A new one is a file in this folder and a line in strategies.cpp.
std::span<const Entry> strategies();

/// The line of that name. Throws Fault::Input with the known names.
const Entry& strategy_named(std::string_view name);

/// The strategy that the settings name, stopped after `budget` points. Throws Fault::Input with the known names, or
/// where the strategy needs predictions and there are none.
std::unique_ptr<Strategy> make_strategy(const Settings& settings, Space space);

/// Most points in one ask(). Strategies that learn ask for fewer at once: what they would learn from one batch decides
/// the next.
inline constexpr std::size_t batch_points = 64;

}  // namespace qoq::search
