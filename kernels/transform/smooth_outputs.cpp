#include "kernels/transform/smooth_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>

#include "kernels/llama/elementary.h"
#include "kernels/transform/channels.h"
#include "kernels/transform/output_error.h"

namespace qoq::transform {

using llama::Config;
using llama::Layer;
using llama::LayerActivations;
using llama::Matrix;

namespace {

constexpr int most_tokens = 64;
constexpr int eighths = 8;

/// Which query-head channels share a scale: `heads` of `group` after each other, `dim` channels each. down: 1, 1.
struct Sharing {
  int group = 1;
  int dim = 1;

  /// The number of the scale that input channel c has.
  size_t shared(size_t c) const {
    const size_t d = static_cast<size_t>(dim), wide = d * static_cast<size_t>(group);
    return c / wide * d + c % d;
  }
  std::vector<float> most(const std::vector<float>& maxima) const {
    std::vector<float> shared_most(maxima.size() / static_cast<size_t>(group));
    for (size_t c = 0; c < maxima.size(); ++c) shared_most[shared(c)] = std::max(shared_most[shared(c)], maxima[c]);
    return shared_most;
  }
  std::vector<float> spread(const std::vector<float>& scales) const {
    std::vector<float> all(scales.size() * static_cast<size_t>(group));
    for (size_t c = 0; c < all.size(); ++c) all[c] = scales[shared(c)];
    return all;
  }
};

struct Maxima {
  std::vector<float> inputs, weights;
};

std::vector<float> output_scales(const Maxima& maxima, double alpha, double beta) {
  std::vector<float> scales(maxima.weights.size(), 1.0F);
  for (size_t i = 0; i < scales.size(); ++i) {
    const bool recorded = !maxima.inputs.empty();
    if (maxima.weights[i] < FLT_MIN || (recorded && maxima.inputs[i] < FLT_MIN)) continue;
    const double wide = recorded ? llama::power(maxima.inputs[i], alpha) : 1.0;
    scales[i] = static_cast<float>(wide / llama::power(maxima.weights[i], beta));
  }
  return scales;
}

struct Chosen {
  std::vector<float> scales;  ///< one a shared channel
  std::string sentence;
};

Chosen searched_scales(const Matrix& weights, const Matrix& inputs, const Maxima& maxima, const Sharing& sharing,
                       const WeightFormat& format, int threads) {
  const Matrix x = spread_rows(inputs, most_tokens);
  Chosen best{std::vector<float>(maxima.weights.size(), 1.0F), "searched: no scale is better than any"};
  double least = output_error(weights, x, sharing.spread(best.scales), format, true, threads);
  for (int i = 0; i <= eighths; ++i) {
    const double alpha = static_cast<double>(i) / eighths;
    const std::vector<float> scales = output_scales(maxima, alpha, 1 - alpha);
    const double error = output_error(weights, x, sharing.spread(scales), format, true, threads);
    if (!(error < least)) continue;
    least = error;
    best = {scales, fmt::format("searched: alpha {:g}, beta {:g}", alpha, 1 - alpha)};
  }
  return best;
}

Chosen choose(const OutputStrength& strength, const WeightFormat& format, const Matrix& weights, const Matrix& inputs,
              const Sharing& sharing, int threads) {
  const bool recorded = inputs.rows > 0;
  Maxima maxima{{}, sharing.most(column_maxima(weights))};
  if (recorded) maxima.inputs = sharing.most(column_maxima(inputs));
  if (strength.search && recorded) return searched_scales(weights, inputs, maxima, sharing, format, threads);
  return {output_scales(maxima, strength.alpha, strength.beta),
          recorded ? fmt::format("alpha {:g}, beta {:g}, fixed", strength.alpha, strength.beta)
                   : fmt::format("alpha 0, beta {:g} (no inputs recorded: from weights alone)", strength.beta)};
}

}  // namespace

std::vector<std::string> smooth_outputs(const OutputStrength& strength, const WeightFormat& format,
                                        const Config& config, Layer& layer, LayerActivations& activations, int threads,
                                        LayerActivations* held_out) {
  const Sharing heads{config.group(), config.head_dim};
  const Chosen o = choose(strength, format, layer.o, activations.output_input, heads, threads);
  divide_rows(layer.v, o.scales);
  divide(layer.v_bias, o.scales);
  scale_columns(layer.o, heads.spread(o.scales));
  divide_columns(activations.output_input, heads.spread(o.scales));
  const Chosen down = choose(strength, format, layer.down, activations.down_input, {}, threads);
  divide_rows(layer.up, down.scales);
  scale_columns(layer.down, down.scales);
  divide_columns(activations.down_input, down.scales);
  if (held_out != nullptr) {
    divide_columns(held_out->output_input, heads.spread(o.scales));
    divide_columns(held_out->down_input, down.scales);
  }
  return {"smooth-outputs of o: " + o.sentence, "smooth-outputs of down: " + down.sentence};
}

}  // namespace qoq::transform
