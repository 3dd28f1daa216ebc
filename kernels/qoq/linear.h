#pragma once
#include <variant>

#include "kernels/qoq/progressive.h"

namespace qoq {

/// One linear layer's weights in either W4A8 format; y = x · Wᵀ, W is [n][k].
struct LinearWeights {
  int n = 0;
  int k = 0;
  std::variant<GroupWeights, ChannelWeights> form;
  bool operator==(const LinearWeights&) const = default;
};

}  // namespace qoq
