#include "kernels/transform/clip_row.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace qoq::transform {

namespace {

/// A candidate and what it costs; infinite where it cannot be quantised.
struct Candidate {
  std::vector<float> row;
  double cost = std::numeric_limits<double>::infinity();
};

size_t unit_of(const WeightFormat& format, size_t size) {
  return format.group == 0 ? size : static_cast<size_t>(format.group);
}

void clamp_unit(std::span<float> unit, float ratio) {
  const auto [low, high] = std::minmax_element(unit.begin(), unit.end());
  const float least = std::min(*low, 0.0F) * ratio, most = std::max(*high, 0.0F) * ratio;
  for (float& value : unit) value = std::clamp(value, least, most);
}

float largest(std::span<const float> values) {
  float most = 0;
  for (const float value : values) most = std::max(most, std::fabs(value));
  return most;
}

std::vector<float> difference(std::span<const float> a, std::span<const float> b) {
  std::vector<float> result(a.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = a[i] - b[i];
  return result;
}

/// Group by group, with s1 held: see clip_row.
class GroupSearch {
 public:
  GroupSearch(std::span<const float> row, const WeightFormat& format, const RowCost& cost,
              const std::vector<float>& uniform)
      : row_(row), format_(format), cost_(cost), uniform_(uniform), best_(uniform), bound_(largest(uniform)) {
    costs_.resize(row.size() / group(), std::numeric_limits<double>::infinity());
  }

  std::vector<float> run() {
    try_row(uniform_);
    for (const float ratio : clip_ratios) try_row(with_scale(clamp_row(row_, format_, ratio)));
    return best_;
  }

 private:
  size_t group() const { return static_cast<size_t>(format_.group); }
  std::span<const float> part(std::span<const float> row, size_t g) const { return row.subspan(g * group(), group()); }

  /// Groups that give the row its scale, or would give it a larger one, stay as they are in the uniform row.
  std::vector<float> with_scale(std::vector<float> clamped) const {
    for (size_t g = 0; g < costs_.size(); ++g) {
      if (largest(part(uniform_, g)) < bound_ && largest(part(clamped, g)) <= bound_) continue;
      std::copy_n(part(uniform_, g).begin(), group(), clamped.begin() + static_cast<ptrdiff_t>(g * group()));
    }
    return clamped;
  }

  void try_row(const std::vector<float>& candidate) {
    const std::vector<float> kept = quantised_row(candidate, format_);
    if (kept.empty()) return;
    const std::vector<float> lost = difference(kept, row_);
    for (size_t g = 0; g < costs_.size(); ++g) {
      const double cost = cost_.of(part(lost, g), static_cast<int>(g * group()));
      if (!(cost < costs_[g])) continue;
      costs_[g] = cost;
      std::copy_n(part(candidate, g).begin(), group(), best_.begin() + static_cast<ptrdiff_t>(g * group()));
    }
  }

  std::span<const float> row_;
  const WeightFormat& format_;
  const RowCost& cost_;
  const std::vector<float>& uniform_;
  std::vector<float> best_;
  std::vector<double> costs_;
  float bound_;
};

}  // namespace

double RowCost::of(std::span<const float> difference, int first) const {
  double sum = 0;
  if (tokens_ == nullptr) {
    for (const float d : difference) sum += static_cast<double>(d) * d;
    return sum;
  }
  std::vector<float> outputs(static_cast<size_t>(tokens_->tokens));
  tokens_->accumulate(difference, first, outputs);
  for (const float y : outputs) sum += static_cast<double>(y) * y;
  return sum;
}

std::vector<float> clamp_row(std::span<const float> row, const WeightFormat& format, float ratio) {
  std::vector<float> clamped(row.begin(), row.end());
  const size_t unit = unit_of(format, row.size());
  for (size_t first = 0; first < row.size(); first += unit) {
    clamp_unit(std::span(clamped).subspan(first, unit), ratio);
  }
  return clamped;
}

std::vector<float> clip_row(std::span<const float> row, const WeightFormat& format, const RowCost& cost) {
  const auto judge = [&](std::vector<float> candidate) {
    const std::vector<float> kept = quantised_row(candidate, format);
    Candidate judged{std::move(candidate)};
    if (!kept.empty()) judged.cost = cost.of(difference(kept, row), 0);
    return judged;
  };
  Candidate best{{row.begin(), row.end()}};
  for (const float ratio : clip_ratios) {
    Candidate uniform = judge(clamp_row(row, format, ratio));
    if (uniform.cost < best.cost) best = std::move(uniform);
  }
  if (format.group == 0 || !std::isfinite(best.cost)) return best.row;
  Candidate grouped = judge(GroupSearch(row, format, cost, best.row).run());
  return grouped.cost < best.cost ? grouped.row : best.row;
}

}  // namespace qoq::transform
