#include "autotune/search/predict_then_measure.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "autotune/search/permutation.h"
#include "kernels/base/error.h"

namespace qoq::search {
namespace {

/// What a point without a prediction ranks as.
constexpr double never = std::numeric_limits<double>::infinity();

/// The element of `list`, which is not empty, that so large a share of it does not exceed (nearest rank).
double quantile(std::vector<double> list, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(list.size())));
  const auto place = list.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::ranges::nth_element(list, place);
  return *place;
}

class PredictThenMeasure final : public Strategy {
 public:
  PredictThenMeasure(Space space, const Settings& settings) : space_(std::move(space)), settings_(settings) {}

  std::vector<Point> ask() override {
    if (!ranked_) rank();
    std::vector<Point> points;
    while (points.size() < first_asked && next_ < candidates_.size() && wanted(candidates_[next_])) {
      Candidate& candidate = candidates_[next_++];
      predicted_us_[space_.index(candidate.point)] = candidate.predicted_us;
      points.push_back(std::move(candidate.point));
    }
    return points;
  }

  void tell(std::span<const Evaluated> results) override {
    for (const Evaluated& result : results) {
      const auto predicted = predicted_us_.find(space_.index(result.point));
      if (!result.time_us || predicted == predicted_us_.end()) continue;
      best_us_ = std::min(best_us_, *result.time_us);
      if (predicted->second < never) ratios_.push_back(*result.time_us / predicted->second);
    }
    if (best_us_ == never) return;
    scale_ = ratios_.empty() ? 1 : quantile(ratios_, 0.5);
    std::vector<double> errors;
    for (const double ratio : ratios_) errors.push_back(std::abs(ratio / scale_ - 1));
    slowest_us_ = best_us_ * (1 + noise + (errors.empty() ? 0 : quantile(std::move(errors), 0.9)));
  }

 private:
  struct Candidate {
    double predicted_us = 0;
    Point point;
  };

  void rank() {
    ranked_ = true;
    const Permutation order(space_.combinations(), settings_.seed);
    std::vector<Point> points;
    const std::size_t most = predicted_points(settings_.budget);
    for (uint64_t i = 0; i < space_.combinations() && points.size() < most; ++i) {
      if (auto point = space_.at(order(i))) points.push_back(*std::move(point));
    }
    const std::vector<std::optional<double>> predicted = settings_.predict(points);
    if (predicted.size() != points.size()) fail("{} predictions for {} points", predicted.size(), points.size());
    for (std::size_t i = 0; i < points.size(); ++i)
      candidates_.push_back({predicted[i] && *predicted[i] > 0 ? *predicted[i] : never, std::move(points[i])});
    std::ranges::stable_sort(candidates_, {}, &Candidate::predicted_us);  // ties in the order of the seed
  }

  bool wanted(const Candidate& candidate) const { return scale_ * candidate.predicted_us <= slowest_us_; }

  Space space_;
  Settings settings_;
  bool ranked_ = false;
  std::vector<Candidate> candidates_;  ///< best prediction first
  std::size_t next_ = 0;
  std::map<uint64_t, double> predicted_us_;  ///< of points asked
  std::vector<double> ratios_;               ///< measured / predicted
  double best_us_ = never;
  double scale_ = 1;
  double slowest_us_ = never;  ///< scaled predictions above it are not worth a measurement
};

}  // namespace

std::size_t predicted_points(const std::optional<int64_t>& budget) {
  if (!budget || *budget > static_cast<int64_t>(most_predicted / predicted_per_asked)) return most_predicted;
  return predicted_per_asked * static_cast<std::size_t>(*budget);
}

std::unique_ptr<Strategy> make_predict_then_measure(Space space, const Settings& settings) {
  return std::make_unique<PredictThenMeasure>(std::move(space), settings);
}

}  // namespace qoq::search
