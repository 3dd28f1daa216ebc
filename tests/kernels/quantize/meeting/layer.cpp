#include "tests/kernels/quantize/meeting/layer.h"

#include <cmath>

#include "kernels/base/random.h"

namespace qoq::test {

namespace {

/// A sum of three uniforms, its cube added: kurtosis well above a normal distribution's.
float heavy(Random& random) {
  const float x = random.uniform(-1, 1) + random.uniform(-1, 1) + random.uniform(-1, 1);
  return 0.4f * x + 0.3f * x * x * x;
}

llama::Matrix draw_weights(int rows, int cols, uint64_t seed) {
  Random random(seed);
  llama::Matrix w(rows, cols);
  const float unit = 1.0f / std::sqrt(static_cast<float>(cols));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) w.row(r)[c] = heavy(random) * unit * (c % 64 == 17 ? 3.0f : 1.0f);
  }
  return w;
}

std::vector<float> draw_bias(int n, uint64_t seed) {
  Random random(seed);
  std::vector<float> bias(static_cast<size_t>(n));
  for (float& value : bias) value = random.uniform(-0.5f, 0.5f);
  return bias;
}

void append(llama::Matrix& all, const llama::Matrix& part) {
  all.rows += part.rows;
  all.cols = part.cols;
  all.values.insert(all.values.end(), part.values.begin(), part.values.end());
}

llama::Layer draw_layer(const llama::Config& c, uint64_t seed) {
  llama::Layer layer;
  layer.attention_norm.assign(static_cast<size_t>(c.hidden), 1.0f);
  layer.ffn_norm.assign(static_cast<size_t>(c.hidden), 1.0f);
  layer.q = draw_weights(c.q_width(), c.hidden, seed + 1);
  layer.k = draw_weights(c.kv_width(), c.hidden, seed + 2);
  layer.v = draw_weights(c.kv_width(), c.hidden, seed + 3);
  layer.o = draw_weights(c.hidden, c.q_width(), seed + 4);
  layer.gate = draw_weights(c.intermediate, c.hidden, seed + 5);
  layer.up = draw_weights(c.intermediate, c.hidden, seed + 6);
  layer.down = draw_weights(c.hidden, c.intermediate, seed + 7);
  layer.q_bias = draw_bias(c.q_width(), seed + 8);
  layer.k_bias = draw_bias(c.kv_width(), seed + 9);
  layer.v_bias = draw_bias(c.kv_width(), seed + 10);
  return layer;
}

}  // namespace

llama::Matrix draw_inputs(int rows, int cols, uint64_t seed) {
  Random random(seed);
  llama::Matrix x(rows, cols);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      const float value = random.uniform(-1, 1) + random.uniform(-1, 1) + random.uniform(-1, 1);
      x.row(r)[c] = value * (c % 97 == 11 ? 20.0f : 1.0f);
    }
  }
  return x;
}

double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, scale = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += (double{a.at(i)} - b[i]) * (double{a[i]} - b[i]);
    scale += double{b[i]} * b[i];
  }
  return std::sqrt(error / scale);
}

std::vector<float> multiply(const llama::Matrix& x, const llama::Matrix& w, const std::vector<float>& bias) {
  std::vector<float> y;
  for (int m = 0; m < x.rows; ++m) {
    for (int n = 0; n < w.rows; ++n) {
      double sum = bias.empty() ? 0.0 : bias[static_cast<size_t>(n)];
      for (int k = 0; k < w.cols; ++k) sum += double{x.row(m)[k]} * w.row(n)[k];
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

llama::Matrix fused_weights(const QuantizedLayer& quantized, const std::string& linear) {
  const llama::Layer& layer = quantized.layer;
  if (linear == "o") return layer.o;
  if (linear == "down") return layer.down;
  llama::Matrix all;
  if (linear == "qkv") {
    for (const llama::Matrix* part : {&layer.q, &layer.k, &layer.v}) append(all, *part);
  } else {
    for (const llama::Matrix* part : {&layer.gate, &layer.up}) append(all, *part);
  }
  return all;
}

std::vector<float> bias_of(const QuantizedLayer& quantized, const std::string& linear) {
  if (linear != "qkv") return {};
  std::vector<float> all = quantized.layer.q_bias;
  for (const auto* part : {&quantized.layer.k_bias, &quantized.layer.v_bias})
    all.insert(all.end(), part->begin(), part->end());
  return all;
}

QuantizedLayer quantize_layer(const std::filesystem::path& folder, const std::string& scheme, PackedLayout layout) {
  QuantizedLayer out;
  llama::Config& c = out.config;
  c.family = llama::Family::Qwen2;
  c.hidden = 256, c.intermediate = 384, c.layers = 1, c.heads = 6, c.kv_heads = 2, c.head_dim = 64, c.vocab = 128;
  out.layer = draw_layer(c, 20);
  out.file = folder / ("layer-" + scheme + "-" + std::string(layout_name(layout)) + ".safetensors");
  const PackedFormat format{scheme, layout};
  std::map<std::string, LinearWeights> linears;
  for (const std::string name : {"qkv", "o", "gate_up", "down"}) {
    const llama::Matrix w = fused_weights(out, name);
    LinearWeights& weights = linears[name];
    weights.n = w.rows, weights.k = w.cols;
    if (format.group() == 0)
      weights.form = quantize_channels(w.values, w.rows, w.cols);
    else
      weights.form = quantize_groups(w.values, w.rows, w.cols, format.group());
  }
  const std::vector<float> bias = bias_of(out, "qkv");
  write_packed(out.file, format, linears,
               {{"qkv.bias", {DType::F32, {bias.size()}, std::as_bytes(std::span(bias))}}}, {});
  return out;
}

}  // namespace qoq::test
