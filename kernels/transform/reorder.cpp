#include "kernels/transform/reorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "kernels/transform/channels.h"

namespace qoq::transform {

using llama::Config;
using llama::Layer;
using llama::LayerActivations;

namespace {

/// Indices of the values, the largest first; equals in their order.
std::vector<int> descending(std::span<const float> values) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)]; });
  return order;
}

/// What decides: recorded inputs, else the weights' columns.
std::vector<float> salience(const llama::Matrix& recorded, const llama::Matrix& weights) {
  return column_maxima(recorded.rows > 0 ? recorded : weights);
}

void permute(std::vector<float>& values, std::span<const int> order) {
  const std::vector<float> old = values;
  for (size_t i = 0; i < values.size(); ++i) values[i] = old[static_cast<size_t>(order[i])];
}

/// The order of v's rows (KV head by KV head), and the same for o's columns (query head by query head).
struct HeadOrders {
  std::vector<int> v, o;
};

HeadOrders head_orders(const Config& config, const std::vector<float>& maxima) {
  HeadOrders orders;
  const int dim = config.head_dim;
  for (int kv = 0; kv < config.kv_heads; ++kv) {
    std::vector<float> most(static_cast<size_t>(dim));
    const size_t wide = most.size() * static_cast<size_t>(config.group());
    for (size_t c = 0; c < wide; ++c) {
      float& shared = most[c % most.size()];
      shared = std::max(shared, maxima[static_cast<size_t>(kv) * wide + c]);
    }
    const std::vector<int> order = descending(most);
    for (const int i : order) orders.v.push_back(kv * dim + i);
    for (int head = kv * config.group(); head < (kv + 1) * config.group(); ++head) {
      for (const int i : order) orders.o.push_back(head * dim + i);
    }
  }
  return orders;
}

}  // namespace

std::string reorder_channels(const Config& config, Layer& layer, LayerActivations& activations,
                             LayerActivations* held_out) {
  const bool recorded_o = activations.output_input.rows > 0, recorded_down = activations.down_input.rows > 0;
  const HeadOrders heads = head_orders(config, salience(activations.output_input, layer.o));
  permute_rows(layer.v, heads.v);
  if (!layer.v_bias.empty()) permute(layer.v_bias, heads.v);
  permute_columns(layer.o, heads.o);
  permute_columns(activations.output_input, heads.o);

  const std::vector<int> order = descending(salience(activations.down_input, layer.down));
  permute_rows(layer.gate, order);
  permute_rows(layer.up, order);
  permute_columns(layer.down, order);
  permute_columns(activations.down_input, order);
  if (held_out != nullptr) {
    permute_columns(held_out->output_input, heads.o);
    permute_columns(held_out->down_input, order);
  }
  const auto ground = [](bool recorded) { return recorded ? "its inputs" : "its weights (no inputs recorded)"; };
  return fmt::format("reorder: o's heads by {}, down by {}", ground(recorded_o), ground(recorded_down));
}

}  // namespace qoq::transform
