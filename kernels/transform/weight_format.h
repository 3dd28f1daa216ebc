#pragma once
#include <span>
#include <vector>

#include "kernels/qoq/progressive.h"

namespace qoq::transform {

/// The format that the weights will have: searches try what it does to them.
struct WeightFormat {
  int group = 128;  ///< 128, 64 or 32 weights along K share a second-level scale; 0: one scale and zero a row
  GroupRule rule = GroupRule::Nearest;
  bool operator==(const WeightFormat&) const = default;
};

/// What quantised `row` stands for: through quantize_groups or quantize_channels themselves. Empty where they refuse
/// the row (a scale beyond fp16): a search then passes the candidate over, and the quantiser says why later.
std::vector<float> quantised_row(std::span<const float> row, const WeightFormat& format);

}  // namespace qoq::transform
