#include "autotune/model_check/score.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/base/digest.h"

namespace qoq::model_check {
namespace {

/// Ranks from 1; equal values share the mean of theirs.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
  std::vector<double> rank(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) rank[order[i]] = static_cast<double>(begin + end + 1) / 2;
    begin = end;
  }
  return rank;
}

std::optional<double> correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  if (aa == 0 || bb == 0) return std::nullopt;
  return ab / std::sqrt(aa * bb);
}

std::vector<double> errors(std::span<const Pair> pairs) {
  std::vector<double> all;
  for (const Pair& pair : pairs) all.push_back(pair.error());
  return all;
}

double best_measured(std::span<const Pair> pairs) {
  return std::ranges::min(pairs, {}, &Pair::measured_us).measured_us;
}

/// Among so few that all are taken there is nothing to regret, so it scores no model.
std::optional<double> regret_of_16(std::span<const Pair> pairs) {
  return pairs.size() > 16 ? regret(pairs, 16) : std::nullopt;
}

std::optional<double> worst(const std::vector<double>& values) {
  return values.empty() ? std::nullopt : std::optional(std::ranges::max(values));
}

}  // namespace

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 != 0) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

std::optional<double> spearman(std::span<const Pair> pairs) {
  if (pairs.size() < 3) return std::nullopt;
  std::vector<double> predicted, measured;
  for (const Pair& pair : pairs) predicted.push_back(pair.predicted_us), measured.push_back(pair.measured_us);
  return correlation(ranks(predicted), ranks(measured));
}

std::optional<double> regret(std::span<const Pair> pairs, size_t top) {
  if (pairs.empty() || top == 0) return std::nullopt;
  std::vector<Pair> order(pairs.begin(), pairs.end());
  std::ranges::sort(order, [](const Pair& a, const Pair& b) {
    return a.predicted_us != b.predicted_us ? a.predicted_us < b.predicted_us : a.measured_us > b.measured_us;
  });
  order.resize(std::min(top, order.size()));
  return best_measured(order) / best_measured(pairs) - 1;
}

std::optional<double> median_error(std::span<const Pair> pairs) {
  std::vector<double> all = errors(pairs);
  for (double& error : all) error = std::abs(error);
  return median(std::move(all));
}

std::optional<double> bias(std::span<const Pair> pairs) { return median(errors(pairs)); }

std::vector<Pair> near_best(std::span<const Pair> pairs, double factor) {
  std::vector<Pair> near;
  for (const Pair& pair : pairs) {
    if (pair.measured_us <= factor * best_measured(pairs)) near.push_back(pair);
  }
  return near;
}

Score score(std::span<const Pair> pairs) {
  const std::vector<Pair> near = near_best(pairs);
  return {pairs.size(),        near.size(), spearman(near),     regret(pairs, 1), regret_of_16(pairs),
          median_error(pairs), bias(pairs), median_error(near), bias(near)};
}

Summary summarise(std::span<const std::vector<Pair>> problems) {
  Summary all;
  std::vector<Pair> rows, near_rows;
  std::vector<double> correlations, top1, top16;
  for (const std::vector<Pair>& pairs : problems) {
    if (pairs.empty()) continue;
    ++all.problems;
    const std::vector<Pair> near = near_best(pairs);
    rows.insert(rows.end(), pairs.begin(), pairs.end());
    near_rows.insert(near_rows.end(), near.begin(), near.end());
    if (const auto r = spearman(near)) correlations.push_back(*r);
    top1.push_back(*regret(pairs, 1));
    if (const auto lost = regret_of_16(pairs)) top16.push_back(*lost);
  }
  all.rows = rows.size();
  all.ranked = correlations.size();
  all.well_ranked = static_cast<size_t>(std::ranges::count_if(correlations, [](double r) { return r >= 0.8; }));
  if (!correlations.empty()) all.worst_spearman = std::ranges::min(correlations);
  all.spearman = median(correlations);
  all.top1 = median(top1), all.worst_top1 = worst(top1);
  all.chosen16 = top16.size(), all.too_few16 = all.problems - top16.size();
  all.top16 = median(top16), all.worst_top16 = worst(top16);
  all.error = median_error(rows), all.bias = bias(rows);
  all.near_error = median_error(near_rows), all.near_bias = bias(near_rows);
  return all;
}

bool is_held_out(std::string_view problem) {
  const char digit = digest(problem).front();
  return (digit >= 'a' ? digit - 'a' + 10 : digit - '0') % 2 != 0;
}

}  // namespace qoq::model_check
