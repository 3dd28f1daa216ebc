#include "kernels/transform/smooth_attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "kernels/base/parallel.h"
#include "kernels/llama/elementary.h"
#include "kernels/qoq/kv_cache.h"
#include "kernels/transform/channels.h"
#include "kernels/transform/second_moment.h"

namespace qoq::transform {

using llama::Config;
using llama::Layer;
using llama::LayerActivations;
using llama::Matrix;

namespace {

constexpr int most_tokens = 128;
constexpr int eighths = 8;

bool normalised(const Layer& layer) { return !layer.k_norm.empty(); }

/// The lengths of W_K's rows: the keys' spread for inputs of equal variance, which RMSNorm gives.
std::vector<float> row_lengths(const Matrix& weight) {
  std::vector<float> lengths;
  for (int row = 0; row < weight.rows; ++row) {
    double sum = 0;
    for (int c = 0; c < weight.cols; ++c) sum += static_cast<double>(weight.row(row)[c]) * weight.row(row)[c];
    lengths.push_back(static_cast<float>(std::sqrt(sum)));
  }
  return lengths;
}

/// A key norm brings a head's lengths to a root mean square of one before its gain.
void normalise_lengths(std::vector<float>& lengths, std::span<const float> gain) {
  for (size_t first = 0; first < lengths.size(); first += gain.size()) {
    double sum = 0;
    for (size_t i = 0; i < gain.size(); ++i) sum += static_cast<double>(lengths[first + i]) * lengths[first + i];
    const float root = static_cast<float>(std::sqrt(sum / static_cast<double>(gain.size())));
    for (size_t i = 0; i < gain.size() && root > 0; ++i) lengths[first + i] *= std::fabs(gain[i]) / root;
  }
}

/// What stands for the largest keys where none were recorded.
std::vector<float> guessed_maxima(const Layer& layer) {
  std::vector<float> maxima = row_lengths(layer.k);
  for (size_t i = 0; i < layer.k_bias.size(); ++i) maxima[i] += std::fabs(layer.k_bias[i]);
  if (normalised(layer)) normalise_lengths(maxima, layer.k_norm);
  return maxima;
}

/// The largest over all heads, given to every head: a shared norm has one gain a channel.
std::vector<float> shared_maxima(std::vector<float> maxima, size_t head_dim) {
  std::vector<float> most(head_dim);
  for (size_t i = 0; i < maxima.size(); ++i) most[i % head_dim] = std::max(most[i % head_dim], maxima[i]);
  for (size_t i = 0; i < maxima.size(); ++i) maxima[i] = most[i % head_dim];
  return maxima;
}

/// λ of every query channel: that of the KV head which serves its head.
std::vector<float> query_scales(const Config& config, const std::vector<float>& scales) {
  std::vector<float> spread;
  const auto dim = static_cast<ptrdiff_t>(config.head_dim);
  for (int head = 0; head < config.heads; ++head) {
    const auto first = scales.begin() + head / config.group() * dim;
    spread.insert(spread.end(), first, first + dim);
  }
  return spread;
}

void fold(const Config& config, const std::vector<float>& scales, Layer& layer,
          std::initializer_list<LayerActivations*> recorded) {
  const std::vector<float> queries = query_scales(config, scales);
  if (normalised(layer)) {
    scale(layer.q_norm, std::span(scales).first(layer.q_norm.size()));
    divide(layer.k_norm, std::span(scales).first(layer.k_norm.size()));
  } else {
    scale_rows(layer.q, queries);
    scale(layer.q_bias, queries);
    divide_rows(layer.k, scales);
    divide(layer.k_bias, scales);
  }
  for (LayerActivations* activations : recorded) {
    if (activations == nullptr) continue;
    scale_columns(activations->queries, queries);
    divide_columns(activations->keys, scales);
  }
}

struct Search {
  const Config& config;
  const LayerActivations& activations;
  const std::vector<float>& maxima;

  /// [kv_heads][9 alphas], by all cores.
  std::vector<double> errors(int threads) const {
    const size_t heads = static_cast<size_t>(config.kv_heads), count = eighths + 1;
    std::vector<double> found(heads * count);
    run_parallel(found.size(), threads, [&](size_t i) {
      const double alpha = static_cast<double>(i % count) / eighths;
      found[i] = logit_error(config, activations, static_cast<int>(i / count), attention_scales(config, maxima, alpha));
    });
    return found;
  }
};

/// The alpha of every KV head; one for all where they share their norm.
std::vector<double> searched_alphas(const Search& search, bool shared, int threads) {
  std::vector<double> errors = search.errors(threads);
  const size_t count = eighths + 1, heads = errors.size() / count;
  for (size_t i = count; shared && i < errors.size(); ++i) errors[i % count] += errors[i];
  std::vector<double> alphas;
  for (size_t head = 0; head < heads; ++head) {
    const auto first = errors.begin() + static_cast<ptrdiff_t>(shared ? 0 : head * count);
    alphas.push_back(static_cast<double>(std::min_element(first, first + count) - first) / eighths);
  }
  return alphas;
}

}  // namespace

std::vector<float> attention_scales(const Config& config, const std::vector<float>& key_maxima, double alpha) {
  const size_t dim = static_cast<size_t>(config.head_dim), half = dim / 2;
  std::vector<float> scales(key_maxima.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    const size_t partner = i % dim < half ? i + half : i - half;
    const float most = std::max(key_maxima[i], key_maxima[partner]);
    scales[i] = most >= FLT_MIN ? static_cast<float>(llama::power(most, alpha)) : 1.0F;
  }
  return scales;
}

double logit_error(const Config& config, const LayerActivations& activations, int kv_head,
                   const std::vector<float>& scales) {
  const ptrdiff_t dim = config.head_dim, group = config.group();
  SecondMoment queries(config.head_dim);
  for (const int token : spread_indices(activations.queries.rows, most_tokens)) {
    const float* q = activations.queries.row(token) + kv_head * group * dim;
    for (ptrdiff_t head = 0; head < group; ++head) queries.add(q + head * dim);
  }
  const float* lambda = scales.data() + kv_head * dim;
  std::vector<float> key(static_cast<size_t>(dim));
  double sum = 0;
  for (const int token : spread_indices(activations.keys.rows, most_tokens)) {
    const float* k = activations.keys.row(token) + kv_head * dim;
    for (ptrdiff_t i = 0; i < dim; ++i) key[static_cast<size_t>(i)] = k[i] / lambda[i];
    std::vector<float> kept = dequantize_kv(quantize_kv(key, 4), 4);
    for (ptrdiff_t i = 0; i < dim; ++i) kept[static_cast<size_t>(i)] = kept[static_cast<size_t>(i)] * lambda[i] - k[i];
    sum += queries.cost(kept.data());
  }
  return sum;
}

std::string smooth_attention(const AttentionStrength& strength, const Config& config, Layer& layer,
                             LayerActivations& activations, int threads, LayerActivations* held_out) {
  const bool recorded = activations.keys.rows > 0;
  std::vector<float> maxima = recorded ? column_maxima(activations.keys) : guessed_maxima(layer);
  if (normalised(layer)) maxima = shared_maxima(std::move(maxima), static_cast<size_t>(config.head_dim));
  std::vector<double> alphas(static_cast<size_t>(config.kv_heads), strength.alpha);
  const bool search = strength.search && recorded && activations.queries.rows > 0;
  if (search) alphas = searched_alphas({config, activations, maxima}, normalised(layer), threads);
  std::vector<float> scales;
  for (size_t head = 0; head < alphas.size(); ++head) {
    const std::vector<float> all = attention_scales(config, maxima, alphas[head]);
    const auto first = all.begin() + static_cast<ptrdiff_t>(head) * config.head_dim;
    scales.insert(scales.end(), first, first + config.head_dim);
  }
  fold(config, scales, layer, {&activations, held_out});
  const auto [least, most] = std::minmax_element(alphas.begin(), alphas.end());
  const std::string alpha =
      *least == *most ? fmt::format("alpha {:g}", *least) : fmt::format("alpha {:g} … {:g} by head", *least, *most);
  const std::string ground = recorded ? fmt::format("keys of {} tokens", activations.keys.rows)
                                      : "the lengths of W_K's rows (no keys recorded)";
  return fmt::format("smooth-attention: {}, {}, scales from {}", alpha,
                     search            ? "searched"
                     : strength.search ? "fixed (a search needs recorded queries and keys)"
                                       : "fixed",
                     ground);
}

}  // namespace qoq::transform
