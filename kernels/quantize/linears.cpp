#include "kernels/quantize/linears.h"

#include <algorithm>
#include <vector>

#include "kernels/base/error.h"

namespace qoq::quantize {

namespace {

using llama::Layer;
using llama::Matrix;

struct Linear {
  std::string_view name;
  std::vector<Matrix Layer::*> parts;
  Matrix llama::LayerActivations::*input;
};

const Linear& linear_named(std::string_view name) {
  static const std::array<Linear, 4> table{
      Linear{"qkv", {&Layer::q, &Layer::k, &Layer::v}, &llama::LayerActivations::attention_input},
      Linear{"o", {&Layer::o}, &llama::LayerActivations::output_input},
      Linear{"gate_up", {&Layer::gate, &Layer::up}, &llama::LayerActivations::ffn_input},
      Linear{"down", {&Layer::down}, &llama::LayerActivations::down_input}};
  const auto* found = std::find_if(table.begin(), table.end(), [&](const Linear& l) { return l.name == name; });
  if (found == table.end()) fail("there is no linear \"{}\"", name);
  return *found;
}

/// One below another. `finished` is called with each part once it is copied.
template <class Part, class Finished>
Matrix stacked(const std::vector<Part*>& parts, const Finished& finished) {
  Matrix out;
  for (const Part* part : parts) out.rows += part->rows, out.cols = part->cols;
  out.values.reserve(static_cast<size_t>(out.rows) * static_cast<size_t>(out.cols));
  for (Part* part : parts) {
    out.values.insert(out.values.end(), part->values.begin(), part->values.end());
    finished(*part);
  }
  return out;
}

}  // namespace

LinearShape linear_shape(const llama::Config& config, std::string_view linear) {
  if (linear == "qkv") return {config.q_width() + 2 * config.kv_width(), config.hidden};
  if (linear == "o") return {config.hidden, config.q_width()};
  if (linear == "gate_up") return {2 * config.intermediate, config.hidden};
  if (linear == "down") return {config.hidden, config.intermediate};
  fail("there is no linear \"{}\"", linear);
}

Matrix fused(const Layer& layer, std::string_view linear) {
  std::vector<const Matrix*> parts;
  for (const auto part : linear_named(linear).parts) parts.push_back(&(layer.*part));
  return stacked(parts, [](const Matrix&) {});
}

Matrix take_fused(Layer& layer, std::string_view linear) {
  std::vector<Matrix*> parts;
  for (const auto part : linear_named(linear).parts) parts.push_back(&(layer.*part));
  if (parts.size() == 1) return std::exchange(*parts.front(), Matrix());
  return stacked(parts, [](Matrix& part) { part = Matrix(); });
}

const Matrix& input_of(const llama::LayerActivations& activations, std::string_view linear) {
  return activations.*linear_named(linear).input;
}

std::vector<float> fused_bias(const llama::Config& config, const Layer& layer) {
  if (layer.q_bias.empty() && layer.k_bias.empty() && layer.v_bias.empty()) return {};
  std::vector<float> out;
  const auto append = [&](const std::vector<float>& part, int width) {
    const std::vector<float> zeros(static_cast<size_t>(width));
    const std::vector<float>& from = part.empty() ? zeros : part;
    out.insert(out.end(), from.begin(), from.end());
  };
  append(layer.q_bias, config.q_width());
  append(layer.k_bias, config.kv_width());
  append(layer.v_bias, config.kv_width());
  return out;
}

}  // namespace qoq::quantize
