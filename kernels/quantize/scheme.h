#pragma once
#include <span>
#include <string_view>

#include "kernels/llama/weights.h"
#include "kernels/qoq/linear.h"
#include "kernels/transform/weight_format.h"

namespace qoq::quantize {

/// A format that weights are quantised to.
struct Scheme {
  std::string_view name;  ///< "w4a8-g128": what the command takes and packed files say
  int group = 0;          ///< weights along K that share s2 and z; 0: per channel
  bool operator==(const Scheme&) const = default;
};

/// The visible table.
std::span<const Scheme> schemes();
/// Throws Fault::Input with the names there are.
const Scheme& scheme_named(std::string_view name);

/// How the second level of groups is chosen, as the command spells it: "nearest", "covering" or "least-error".
GroupRule rule_named(std::string_view name);
std::string_view rule_name(GroupRule rule);

/// Throws Fault::Input naming the linear: K is no multiple of the group (per channel: of 32), or N of 32, which packing
/// takes.
void check_shape(const Scheme& scheme, std::string_view linear, int n, int k);

/// One linear layer in the scheme, on `threads` threads (0: one a core), the same bit for bit on any number of them.
/// Per channel, the rule LeastError means a clipped range. `linear` opens the messages of weights that cannot be
/// quantised (NaN, beyond fp16).
LinearWeights quantize_linear(const transform::WeightFormat& format, std::string_view linear, const llama::Matrix& w,
                              int threads);

/// The fp32 weights [N][K] that the format's codes stand for.
std::vector<float> dequantize(const LinearWeights& weights);

}  // namespace qoq::quantize
