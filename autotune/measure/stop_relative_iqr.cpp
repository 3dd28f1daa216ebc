#include <algorithm>
#include <cmath>

#include "autotune/measure/stopping.h"

namespace qoq::measure {

namespace {

class RelativeIqr final : public StoppingRule {
 public:
  RelativeIqr(double of_samples, double of_median) : of_samples_(of_samples), of_median_(of_median) {}
  std::string_view name() const override { return "relative-iqr"; }

  bool satisfied(std::span<const double> samples_us, double) override {
    // Whole ranks, the outer ones: quick, and never less than Sample::relative_iqr says in the end.
    ordered_.assign(samples_us.begin(), samples_us.end());
    const auto begin = ordered_.begin(), end = ordered_.end();
    const auto first = begin + (end - begin - 1) / 4, second = begin + (end - begin - 1) / 2;
    const auto third = end - 1 - (first - begin);
    std::nth_element(begin, second, end);
    std::nth_element(begin, first, second);
    if (third != second) std::nth_element(second + 1, third, end);
    const double count = static_cast<double>(samples_us.size());
    return *third - *first <= std::min(of_samples_, of_median_ * std::sqrt(count)) * *second;
  }

 private:
  const double of_samples_, of_median_;
  std::vector<double> ordered_;
};

}  // namespace

std::unique_ptr<StoppingRule> stop_at_relative_iqr(double of_samples, double of_median) {
  return std::make_unique<RelativeIqr>(of_samples, of_median);
}

}  // namespace qoq::measure
