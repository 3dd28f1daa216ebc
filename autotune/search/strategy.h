#pragma once
#include <cstdint>
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

struct Settings {
  std::string strategy = "exhaustive";
  std::optional<int64_t> budget;  ///< most points asked; nothing: until the strategy ends
  uint64_t seed = 1;
};

/// A line of the table of strategies.
struct Entry {
  std::string_view name;
  std::string_view help;
  std::unique_ptr<Strategy> (*make)(Space space, uint64_t seed);
};

/// Every strategy. A new one is a file in this folder and a line in strategies.cpp.
std::span<const Entry> strategies();

/// The strategy that the settings name, stopped after `budget` points. Throws Fault::Input with the known names.
std::unique_ptr<Strategy> make_strategy(const Settings& settings, Space space);

/// Points in one ask().
inline constexpr std::size_t batch_points = 64;

}  // namespace qoq::search
