#include "roofline/model/sensitivity.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace qoq::roofline {
namespace {

/// The sheet with one rate changed. What is a share stays one.
Gpu changed(Gpu gpu, const std::string& key, double factor) {
  for (const auto& [name, rate] : gpu.rates()) {
    if (name == key) rate->value *= factor;
  }
  gpu.mma_sync_fraction.value = std::min(1.0, gpu.mma_sync_fraction.value);
  gpu.settle();
  return gpu;
}

std::optional<Upset> upset(const Gpu& gpu, std::span<const Subject* const> candidates, size_t winner) {
  const double kept = predict(gpu, *candidates[winner]).total_us;
  double best = std::numeric_limits<double>::infinity();
  size_t at = winner;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double us = i == winner ? kept : predict(gpu, *candidates[i]).total_us;
    if (us < best) best = us, at = i;
  }
  const double loss = kept / best - 1;
  return at == winner || loss < least_loss ? std::nullopt : std::optional(Upset{"", 1, at, loss});
}

}  // namespace

std::vector<std::string> assumed_rates(const Gpu& gpu) {
  Gpu copy = gpu;
  std::vector<std::string> keys;
  for (const auto& [key, rate] : copy.rates()) {
    if (rate->ground == Ground::Assumed) keys.push_back(key);
  }
  return keys;
}

std::vector<Upset> upsets(const Gpu& gpu, std::span<const Subject* const> candidates, size_t winner, double range) {
  std::vector<Upset> all;
  for (const std::string& key : assumed_rates(gpu)) {
    for (const double factor : {1 - range, 1 + range}) {
      if (auto found = upset(changed(gpu, key, factor), candidates, winner)) {
        found->rate = key;
        found->factor = factor;
        all.push_back(std::move(*found));
      }
    }
  }
  return all;
}

}  // namespace qoq::roofline
