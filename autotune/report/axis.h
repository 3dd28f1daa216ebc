#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace qoq::report {

/// The least and the largest of the values that an axis must show.
struct Extent {
  double least = 0, most = 0;
  bool empty = true;
  void include(double value);
};

struct Tick {
  double value = 0;
  std::string text = {};  ///< empty: a grid line only
};

/// One axis of a picture: from values to pixels, and where its grid lies. Logarithmic or linear (document.h: Figure).
class Axis {
 public:
  /// `json` is the figure's axis; what it leaves open ("min", "max") is taken from `data`, linear ones in whole steps.
  /// `begin_px` and `end_px` are where the least and the largest value lie. A logarithmic axis shows no values ≤ 0.
  Axis(const nlohmann::json& json, bool log_by_default, const Extent& data, double begin_px, double end_px);

  const std::string& label() const { return label_; }
  bool shows(double value) const;
  double pixel(double value) const;  ///< values outside of the axis lie at its ends
  double least() const { return least_; }
  /// Logarithmic: 1 to 9 of each decade, 1, 2 and 5 with their texts (1 alone over more than three decades). Linear:
  /// about six steps of 1, 2 or 5 times a power of ten.
  std::vector<Tick> ticks() const;

 private:
  double step() const;

  std::string label_;
  bool log_ = true;
  double least_ = 0, most_ = 1, begin_px_ = 0, end_px_ = 1;
};

}  // namespace qoq::report
