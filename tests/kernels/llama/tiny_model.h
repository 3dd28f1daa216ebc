#pragma once
#include <string>
#include <vector>

#include "kernels/base/random.h"
#include "kernels/llama/weights.h"

namespace qoq::llama::test {

inline void fill(std::vector<float>& values, Random& random, float low, float high) {
  for (float& x : values) x = random.uniform(low, high);
}

inline Matrix random_matrix(int rows, int cols, Random& random, float size) {
  Matrix m(rows, cols);
  fill(m.values, random, -size, size);
  return m;
}

inline std::vector<float> random_vector(int count, Random& random, float low, float high) {
  std::vector<float> values(static_cast<size_t>(count));
  fill(values, random, low, high);
  return values;
}

/// A model of even noise: every part of it matters, none is large. Qwen2 has biases, Qwen3 head norms.
inline Model tiny_model(const Config& config, uint64_t seed) {
  Random random(seed);
  Model model{config, {}, {}};
  const auto gains = [&](int count) { return random_vector(count, random, 0.5F, 1.5F); };
  model.ends = {random_matrix(config.vocab, config.hidden, random, 1), gains(config.hidden), {}};
  if (!config.tied) model.ends.head = random_matrix(config.vocab, config.hidden, random, 0.3F);
  for (int i = 0; i < config.layers; ++i) {
    Layer layer;
    layer.attention_norm = gains(config.hidden);
    layer.ffn_norm = gains(config.hidden);
    layer.q = random_matrix(config.q_width(), config.hidden, random, 0.3F);
    layer.k = random_matrix(config.kv_width(), config.hidden, random, 0.3F);
    layer.v = random_matrix(config.kv_width(), config.hidden, random, 0.3F);
    layer.o = random_matrix(config.hidden, config.q_width(), random, 0.3F);
    layer.gate = random_matrix(config.intermediate, config.hidden, random, 0.3F);
    layer.up = random_matrix(config.intermediate, config.hidden, random, 0.3F);
    layer.down = random_matrix(config.hidden, config.intermediate, random, 0.3F);
    if (config.family == Family::Qwen2) {
      layer.q_bias = random_vector(config.q_width(), random, -1, 1);
      layer.k_bias = random_vector(config.kv_width(), random, -1, 1);
      layer.v_bias = random_vector(config.kv_width(), random, -1, 1);
    }
    if (config.family == Family::Qwen3) {
      layer.q_norm = gains(config.head_dim);
      layer.k_norm = gains(config.head_dim);
    }
    model.layers.push_back(layer);
  }
  return model;
}

/// Sizes of no power of two, so that every tail is met.
inline Config tiny_config(Family family) {
  Config config;
  config.family = family;
  config.hidden = 44;
  config.intermediate = 70;
  config.layers = 2;
  config.heads = 6;
  config.kv_heads = 2;
  config.head_dim = 10;
  config.vocab = 37;
  config.tied = family == Family::Qwen3;
  return config;
}

inline std::vector<int> random_tokens(int count, int vocab, uint64_t seed) {
  Random random(seed);
  std::vector<int> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(random.between(0, vocab - 1));
  return tokens;
}

}  // namespace qoq::llama::test
