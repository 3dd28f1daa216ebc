#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace qoq::measure {

/// How much longer one lane's runs take than another's, as a natural logarithm of their ratio (0.01 ≈ 1 %).
struct Difference {
  double centre = 0;
  double low = 0, high = 0;  ///< interval about it; ±infinity below four rounds
};

/// From the logarithms of times taken in the same rounds; common drift cancels in each round. The centre is the mean of
/// the middle 80 %, its interval the matching one from winsorized deviations (Tukey and McLaughlin 1963; Yuen 1974): a
/// few wild rounds cannot move it, and times in coarse steps, as timers give them, do not stick to a step as a median
/// would. `z`: half the interval's width in standard errors of a normal distribution; fewer rounds widen it as
/// Student's t does. Uses the rounds that both have.
Difference difference(std::span<const double> logs, std::span<const double> against, double z);

/// z such that a standard normal variable exceeds it with this chance, in (0, 0.5].
double normal_quantile_above(double chance);

/// The median with its 95 % interval from order statistics, whatever the distribution.
struct MedianInterval {
  double median = 0, low = 0, high = 0;
};
/// At least one sample.
MedianInterval median_interval(std::vector<double> samples);

}  // namespace qoq::measure
