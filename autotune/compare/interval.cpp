#include "autotune/compare/interval.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace qoq::compare {

namespace {

/// How many independent samples these are worth: lag-1 correlation of their side of the median. What chance alone
/// gives (two standard errors) widens nothing.
double effective_count(std::span<const double> samples, double median) {
  double products = 0, squares = 0, before = 0;
  for (const double sample : samples) {
    const double side = sample > median ? 1 : sample < median ? -1 : 0;
    products += before * side;
    squares += side * side;
    before = side;
  }
  const auto count = static_cast<double>(samples.size());
  const double correlation = squares > 0 ? products / squares : 0;
  if (correlation <= 2 / std::sqrt(count)) return count;
  return count * (1 - correlation) / (1 + correlation);
}

/// The k for which the k-th smallest and k-th largest of `count` samples hold the median with this confidence; 0 when
/// not even the extremes do. P(fewer than k of them below the median) is at most half of what may go wrong.
size_t order_statistic(size_t count, double confidence) {
  const double most = (1 - confidence) / 2;
  const auto n = static_cast<double>(count);
  double logarithm = -n * std::log(2.0), below = 0;  // of the binomial term, and the sum of the terms so far
  size_t k = 0;
  for (; k < count / 2; ++k) {
    below += std::exp(logarithm);
    if (below > most) break;
    logarithm += std::log((n - static_cast<double>(k)) / (static_cast<double>(k) + 1));
  }
  return k;
}

}  // namespace

size_t least_samples(double confidence) {
  size_t count = 1;
  while (order_statistic(count, confidence) == 0) ++count;
  return count;
}

std::optional<Interval> median_interval(std::span<const double> samples, double confidence) {
  std::vector<double> sorted(samples.begin(), samples.end());
  const size_t count = sorted.size();
  const size_t k = order_statistic(count, confidence);
  if (k == 0) return std::nullopt;
  std::ranges::sort(sorted);
  const double median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
  // Fewer samples lie further apart: ranks away from the middle grow as the root.
  const auto n = static_cast<double>(count);
  const double stretch = std::sqrt(n / effective_count(samples, median));
  const double rank = (n + 1) / 2 - ((n + 1) / 2 - static_cast<double>(k)) * stretch;
  if (rank < 1) return std::nullopt;
  const auto low = static_cast<size_t>(rank) - 1;
  return Interval{sorted[low], median, sorted[count - 1 - low]};
}

Interval ratio_interval(const Interval& before, const Interval& after) {
  const auto distance = [](double a, double b) { return std::log(a / b); };
  const double ratio = after.middle / before.middle;
  const double down = std::hypot(distance(after.middle, after.low), distance(before.high, before.middle));
  const double up = std::hypot(distance(after.high, after.middle), distance(before.middle, before.low));
  return {ratio * std::exp(-down), ratio, ratio * std::exp(up)};
}

}  // namespace qoq::compare
