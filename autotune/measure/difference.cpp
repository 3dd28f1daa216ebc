#include "autotune/measure/difference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "autotune/measure/sample.h"

namespace qoq::measure {

namespace {

constexpr double trimmed_share = 0.1;  // on each side

/// Student's t where the normal distribution has z (Abramowitz and Stegun, 26.7.5).
double student_quantile(double z, double degrees) {
  const double z2 = z * z;
  const double first = z * (z2 + 1) / 4;
  const double second = z * ((5 * z2 + 16) * z2 + 3) / 96;
  const double third = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
  return z + (first + (second + third / degrees) / degrees) / degrees;
}

}  // namespace

Difference difference(std::span<const double> logs, std::span<const double> against, double z) {
  const size_t count = std::min(logs.size(), against.size());
  if (count == 0) {
    const double infinity = std::numeric_limits<double>::infinity();
    return {0, -infinity, infinity};
  }
  std::vector<double> differences(count);
  for (size_t i = 0; i < count; ++i) differences[i] = logs[i] - against[i];

  // The middle ones between begin + trimmed and end - trimmed, their order among themselves is of no matter.
  const auto trimmed = static_cast<ptrdiff_t>(trimmed_share * static_cast<double>(count));
  const auto first = differences.begin() + trimmed, last = differences.end() - trimmed - 1;
  std::nth_element(differences.begin(), first, differences.end());
  if (last > first) std::nth_element(first + 1, last, differences.end());  // leaves the first where it is
  const auto kept = static_cast<double>(last - first + 1);
  const double low = *first, high = *last;
  double sum = 0;
  for (auto value = first; value <= last; ++value) sum += *value;
  const double centre = sum / kept;
  if (count < 4) {
    const double infinity = std::numeric_limits<double>::infinity();
    return {centre, -infinity, infinity};
  }

  const auto sides = static_cast<double>(trimmed);
  const double winsorized_mean = (sum + sides * (low + high)) / static_cast<double>(count);
  const auto square = [&](double value) { return (value - winsorized_mean) * (value - winsorized_mean); };
  double squares = sides * (square(low) + square(high));
  for (auto value = first; value <= last; ++value) squares += square(*value);
  const double error = std::sqrt(squares / (kept * (kept - 1)));
  const double half = student_quantile(z, kept - 1) * error;
  return {centre, centre - half, centre + half};
}

double normal_quantile_above(double chance) {
  double low = 0, high = 40;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::sqrt(2.0)) / 2 > chance ? low : high) = middle;
  }
  return low;
}

MedianInterval median_interval(std::vector<double> samples) {
  std::ranges::sort(samples);
  const auto count = static_cast<double>(samples.size());
  const double reach = 0.98 * std::sqrt(count);  // 1.96 standard deviations of a binomial's half
  const auto below = static_cast<size_t>(std::max(0.0, std::floor((count - 1) / 2 - reach)));
  const auto above = static_cast<size_t>(std::min(count - 1, std::ceil((count - 1) / 2 + reach)));
  return {quantile(samples, 0.5), samples[below], samples[above]};
}

}  // namespace qoq::measure
