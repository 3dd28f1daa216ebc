#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "autotune/interchange/recorded_space.h"
#include "autotune/search/strategy.h"

namespace qoq::replay {

/// A recorded space that answers a search strategy. Its parameters' values are positions among the recorded values,
/// numbers ascending, so that texts and fractions can be asked for too. The points are the configurations on record
/// less those that were refused before they were compiled: tuning leaves these out at no cost. Where a configuration is
/// on record twice the first counts.
class Landscape {
 public:
  /// Throws Fault::Input where no configuration has a time. `predicted_us`, where there are any: of the entries, in
  /// their order.
  explicit Landscape(const interchange::RecordedSpace& recorded,
                     const std::vector<std::optional<double>>& predicted_us = {});

  const std::string& name() const { return name_; }
  const std::string& gpu() const { return gpu_; }
  const std::string& source() const { return source_; }
  size_t points() const { return answers_.size(); }
  size_t timed() const { return timed_; }
  size_t refused() const { return refused_; }
  double best_us() const { return best_us_; }
  double median_us() const { return median_us_; }
  /// How many other points differ from a point in one parameter, on average: where this is below one, nothing can be
  /// learnt from neighbours. The record of a random search is such a space.
  double neighbours() const;
  /// Whether every timed point has a predicted time.
  bool predicted() const { return timed_ > 0 && predictions_ == timed_; }
  /// Timed points with a predicted time.
  size_t predictions() const { return predictions_; }

  /// For a strategy. It looks at this landscape, which must outlive it.
  search::Space space() const;
  std::optional<double> time_us(const search::Space& space, const Point& point) const;
  search::Predict predict() const;

 private:
  struct Answer {
    std::optional<double> time_us, predicted_us;
  };

  std::string name_, gpu_, source_;
  std::vector<Parameter> parameters_;
  std::unordered_map<uint64_t, Answer> answers_;  ///< by index in the space
  size_t timed_ = 0, refused_ = 0, predictions_ = 0;
  double best_us_ = 0, median_us_ = 0;
};

}  // namespace qoq::replay
