#pragma once
#include <cstddef>
#include <optional>
#include <span>

namespace qoq::compare {

/// A value and what it lies in with the stated confidence.
struct Interval {
  double low = 0, middle = 0, high = 0;
  bool operator==(const Interval&) const = default;
};

/// The least number of independent samples whose extremes hold the median with this confidence: 8 at 0.99.
size_t least_samples(double confidence);

/// The median of what the samples were drawn from, whatever its distribution: two order statistics, by the binomial
/// distribution. Samples in the order taken: where neighbours fall on the same side of the median more often than
/// chance, they count as fewer. Nothing when there are too few for the confidence.
std::optional<Interval> median_interval(std::span<const double> samples, double confidence);

/// after / before of two independent positive quantities, from their intervals: on the logarithms, each limit's
/// distance is the root of the squared distances (Zou and Donner, Statistics in Medicine 27, 2008).
Interval ratio_interval(const Interval& before, const Interval& after);

}  // namespace qoq::compare
