#include "autotune/measure/sample.h"

#include <algorithm>

namespace qoq::measure {

double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

void summarize(Sample& sample) {
  if (sample.samples_us.empty()) return;
  std::vector<double> sorted = sample.samples_us;
  std::ranges::sort(sorted);
  sample.median_us = quantile(sorted, 0.5);
  sample.relative_iqr = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / sample.median_us;
}

size_t rotation_copies(size_t bytes, size_t cache_bytes) {
  if (bytes == 0) return 1;
  return (3 * cache_bytes + bytes - 1) / bytes + 1;
}

}  // namespace qoq::measure
