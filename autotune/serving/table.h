#pragma once
#include <optional>
#include <string>
#include <vector>

#include "autotune/serving/prices.h"
#include "autotune/serving/published.h"
#include "roofline/serving/serving.h"

namespace qoq::serving {

/// µs of one generated token, by what they are spent on; their sum is 1e6 / tokens a second.
struct TokenTime {
  double gemms = 0, attention = 0, rest = 0, prefill = 0;  ///< rest: small operators and lm_head
  double total() const { return gemms + attention + rest + prefill; }
};
TokenTime token_time(const roofline::Serving& serving, const roofline::Request& request);

/// A model on a GPU under every scheme.
struct ModelOnGpu {
  roofline::ModelShape model;
  std::string gpu;                         ///< sheet id
  std::string product;                     ///< "NVIDIA L40S"
  std::vector<roofline::Serving> schemes;  ///< as asked
  std::optional<Price> price;

  /// The scheme that serves most tokens a second, of ours or of those it is compared with; null where none serves.
  const roofline::Serving* best(bool ours) const;
  bool any() const { return best(true) != nullptr || best(false) != nullptr; }
};

/// Ours beside the best other scheme on one GPU, and why they differ.
struct Comparison {
  const roofline::Serving *ours = nullptr, *other = nullptr;
  TokenTime our_time, other_time;
  double ratio = 0;                      ///< our throughput / theirs
  std::optional<double> at_equal_batch;  ///< the same with ours held to the other's batch
  const Published* published = nullptr;
};

/// Nothing unless both serve. `times`: those that `on` was made of.
std::optional<Comparison> compare(const ModelOnGpu& on, const roofline::Gpu& gpu, const roofline::KernelTimes& times,
                                  const roofline::Assumptions& assumptions = {});

/// One sentence: the batches, and what of the gain each term is.
std::string explain(const Comparison& comparison, const roofline::Assumptions& assumptions = {});

/// Serves a model with the kernels of one GPU under the named schemes (empty: all), at `batch` (nothing: the fastest).
ModelOnGpu serve_all(const roofline::ModelShape& model, const roofline::Gpu& gpu, const std::optional<Price>& price,
                     const roofline::KernelTimes& times, const std::vector<std::string>& schemes = {},
                     std::optional<int> batch = std::nullopt, const roofline::Assumptions& assumptions = {});

}  // namespace qoq::serving
