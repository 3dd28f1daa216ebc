#pragma once
#include <array>
#include <span>

#include "kernels/transform/output_error.h"
#include "kernels/transform/weight_format.h"

namespace qoq::transform {

/// What a range may shrink to.
inline constexpr std::array clip_ratios{1.0F, 0.95F, 0.9F, 0.85F, 0.8F, 0.7F, 0.6F, 0.5F};

/// What a difference of weights costs: the squares of the output differences on some tokens; without tokens its own.
class RowCost {
 public:
  RowCost() = default;
  explicit RowCost(const TokenColumns& tokens) : tokens_(tokens.tokens > 0 ? &tokens : nullptr) {}
  /// `difference` of the channels from `first` on.
  double of(std::span<const float> difference, int first) const;

 private:
  const TokenColumns* tokens_ = nullptr;  ///< not owned
};

/// Clamps every group of the row (the row itself where the format has no groups) to ratio · its range; 0 lies in it.
std::vector<float> clamp_row(std::span<const float> row, const WeightFormat& format, float ratio);

/// The clamped row whose quantised form costs least. First one ratio for the whole row, judged by the row's cost; then
/// a ratio for each group that leaves the row's scale s1 alone, judged by the group's cost alone (fewer ways to fit
/// the tokens' noise than the row's); kept if the row's cost falls. Never costs more than the row unclamped.
std::vector<float> clip_row(std::span<const float> row, const WeightFormat& format, const RowCost& cost);

}  // namespace qoq::transform
