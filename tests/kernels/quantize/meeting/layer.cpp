#include "tests/kernels/quantize/meeting/layer.h"

#include <cmath>

#include "kernels/base/random.h"
#include "kernels/llama/write.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/out_folder.h"
#include "kernels/quantize/quantizer.h"

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

std::vector<float> draw(int n, float low, float high, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = random.uniform(low, high);
  return values;
}

llama::Layer draw_layer(const llama::Config& c, uint64_t seed) {
  llama::Layer layer;
  layer.attention_norm = draw(c.hidden, 0.5f, 1.5f, seed + 11);
  layer.ffn_norm = draw(c.hidden, 0.5f, 1.5f, seed + 12);
  layer.q = draw_weights(c.q_width(), c.hidden, seed + 1);
  layer.k = draw_weights(c.kv_width(), c.hidden, seed + 2);
  layer.v = draw_weights(c.kv_width(), c.hidden, seed + 3);
  layer.o = draw_weights(c.hidden, c.q_width(), seed + 4);
  layer.gate = draw_weights(c.intermediate, c.hidden, seed + 5);
  layer.up = draw_weights(c.intermediate, c.hidden, seed + 6);
  layer.down = draw_weights(c.hidden, c.intermediate, seed + 7);
  layer.q_bias = draw(c.q_width(), -0.5f, 0.5f, seed + 8);
  layer.k_bias = draw(c.kv_width(), -0.5f, 0.5f, seed + 9);
  layer.v_bias = draw(c.kv_width(), -0.5f, 0.5f, seed + 10);
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

std::vector<float> bias_of(const QuantizedLayer& quantized, const std::string& linear) {
  return linear == "qkv" ? quantize::fused_bias(quantized.config, quantized.layer) : std::vector<float>{};
}

QuantizedLayer quantize_layer(const std::filesystem::path& folder, const std::string& scheme, PackedLayout layout,
                              const std::string& recipe) {
  llama::Model model;
  llama::Config& c = model.config;
  c.family = llama::Family::Qwen2;
  c.hidden = 256, c.intermediate = 384, c.layers = 1, c.heads = 6, c.kv_heads = 2, c.head_dim = 64, c.vocab = 128;
  model.layers = {draw_layer(c, 20)};
  model.ends = {draw_weights(c.vocab, c.hidden, 1), std::vector<float>(static_cast<size_t>(c.hidden), 1.0f),
                draw_weights(c.vocab, c.hidden, 2)};
  const std::filesystem::path source = folder / "model";
  if (std::filesystem::create_directories(source)) llama::write_model(model, source, DType::F32, 2);

  quantize::Request request;
  request.model = source;
  request.out =
      folder / (scheme + "-" + std::string(layout_name(layout)) + "-" + (recipe == "rtn" ? "rtn" : "transformed"));
  request.settings.scheme = quantize::scheme_named(scheme);
  request.settings.layout = layout;
  request.settings.recipe = transform::read_recipe(recipe, request.settings.format());
  request.producer = "test";
  quantize::Listener nobody;
  quantize::quantize(request, nobody);
  return {c, model.layers.front(), request.out / quantize::layer_file_name(0)};
}

}  // namespace qoq::test
