#pragma once
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/base/random.h"
#include "kernels/llama/weights.h"

/// A decoder layer in doubles, straight from llama::Layer's comment and sharing no code with kernels/llama: what the
/// transforms are judged by.
namespace qoq::transform::plain {

using llama::Config;
using llama::Layer;
using llama::LayerActivations;
using llama::Matrix;

using Row = std::vector<double>;
using Rows = std::vector<Row>;

/// Rows x · Wᵀ + bias.
inline Rows project(const Rows& x, const Matrix& w, const std::vector<float>& bias) {
  Rows y;
  for (const Row& row : x) {
    Row out(static_cast<size_t>(w.rows));
    for (int n = 0; n < w.rows; ++n) {
      double sum = bias.empty() ? 0.0 : bias[static_cast<size_t>(n)];
      for (int k = 0; k < w.cols; ++k) sum += row[static_cast<size_t>(k)] * w.row(n)[k];
      out[static_cast<size_t>(n)] = sum;
    }
    y.push_back(out);
  }
  return y;
}

inline void normalise(double* x, size_t size, const std::vector<float>& gain, double epsilon) {
  double sum = 0;
  for (size_t i = 0; i < size; ++i) sum += x[i] * x[i];
  const double root = std::sqrt(sum / static_cast<double>(size) + epsilon);
  for (size_t i = 0; i < size; ++i) x[i] = x[i] / root * gain[i];
}

/// Norm (if any) and RoPE of every head.
inline void prepare_heads(Rows& rows, const Config& config, const std::vector<float>& gain) {
  const size_t dim = static_cast<size_t>(config.head_dim), half = dim / 2;
  for (size_t t = 0; t < rows.size(); ++t) {
    for (size_t first = 0; first < rows[t].size(); first += dim) {
      double* head = rows[t].data() + first;
      if (!gain.empty()) normalise(head, dim, gain, config.norm_epsilon);
      for (size_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(t) *
                             std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
        const double a = head[i], b = head[i + half];
        head[i] = a * std::cos(angle) - b * std::sin(angle);
        head[i + half] = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }
}

/// Causal attention; one row a token.
inline Rows attend(const Config& config, const Rows& q, const Rows& k, const Rows& v) {
  const size_t dim = static_cast<size_t>(config.head_dim);
  Rows out(q.size(), Row(q[0].size()));
  for (size_t t = 0; t < q.size(); ++t) {
    for (size_t head = 0; head < static_cast<size_t>(config.heads); ++head) {
      const size_t kv = head / static_cast<size_t>(config.group()) * dim;
      Row weights;
      double total = 0;
      for (size_t s = 0; s <= t; ++s) {
        double logit = 0;
        for (size_t i = 0; i < dim; ++i) logit += q[t][head * dim + i] * k[s][kv + i];
        weights.push_back(std::exp(logit / std::sqrt(static_cast<double>(dim))));
        total += weights.back();
      }
      for (size_t s = 0; s <= t; ++s) {
        for (size_t i = 0; i < dim; ++i) out[t][head * dim + i] += weights[s] / total * v[s][kv + i];
      }
    }
  }
  return out;
}

inline Matrix recorded(const Rows& rows) {
  Matrix m(static_cast<int>(rows.size()), static_cast<int>(rows[0].size()));
  for (size_t t = 0; t < rows.size(); ++t) std::copy(rows[t].begin(), rows[t].end(), m.row(static_cast<int>(t)));
  return m;
}

/// What the layer adds to the stream in each of its halves, and what went into its parts.
struct Outcome {
  Rows attention, ffn;  ///< [T][hidden]
  LayerActivations activations;
};

inline Outcome run(const Config& config, const Layer& layer, Rows x) {
  Outcome out;
  Rows a = x;
  for (Row& row : a) normalise(row.data(), row.size(), layer.attention_norm, config.norm_epsilon);
  Rows q = project(a, layer.q, layer.q_bias), k = project(a, layer.k, layer.k_bias);
  prepare_heads(q, config, layer.q_norm);
  prepare_heads(k, config, layer.k_norm);
  const Rows heads = attend(config, q, k, project(a, layer.v, layer.v_bias));
  out.attention = project(heads, layer.o, {});
  for (size_t t = 0; t < x.size(); ++t) {
    for (size_t i = 0; i < x[t].size(); ++i) x[t][i] += out.attention[t][i];
  }
  Rows f = x;
  for (Row& row : f) normalise(row.data(), row.size(), layer.ffn_norm, config.norm_epsilon);
  Rows inner = project(f, layer.gate, {});
  const Rows up = project(f, layer.up, {});
  for (size_t t = 0; t < x.size(); ++t) {
    for (size_t i = 0; i < inner[t].size(); ++i) inner[t][i] = inner[t][i] / (1 + std::exp(-inner[t][i])) * up[t][i];
  }
  out.ffn = project(inner, layer.down, {});
  out.activations = {recorded(a), recorded(q), recorded(k), recorded(heads), recorded(f), recorded(inner), {}};
  return out;
}

/// A layer of the shape with heavy-tailed weights, uneven gains, outlier key channels and, by family, biases or norms.
inline Layer random_layer(const Config& config, uint64_t seed) {
  Random random(seed);
  const auto numbers = [&](int count, float low, float high) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = random.uniform(low, high);
    return values;
  };
  const auto matrix = [&](int rows, int cols) {
    Matrix m(rows, cols);
    for (float& w : m.values) {
      const float u = random.uniform(-1, 1);
      w = 4 * u * u * u / std::sqrt(static_cast<float>(cols));
    }
    return m;
  };
  Layer layer;
  layer.attention_norm = numbers(config.hidden, 0.2F, 2);
  layer.ffn_norm = numbers(config.hidden, 0.2F, 2);
  layer.q = matrix(config.q_width(), config.hidden);
  layer.k = matrix(config.kv_width(), config.hidden);
  layer.v = matrix(config.kv_width(), config.hidden);
  layer.o = matrix(config.hidden, config.q_width());
  layer.gate = matrix(config.intermediate, config.hidden);
  layer.up = matrix(config.intermediate, config.hidden);
  layer.down = matrix(config.hidden, config.intermediate);
  for (int row = 3; row < layer.k.rows; row += 29) {
    for (int c = 0; c < layer.k.cols; ++c) layer.k.row(row)[c] *= 6;
  }
  for (int row = 5; row < layer.up.rows; row += 41) {
    for (int c = 0; c < layer.up.cols; ++c) layer.up.row(row)[c] *= 8;
  }
  if (config.family == llama::Family::Qwen2) {
    layer.q_bias = numbers(config.q_width(), -1, 1);
    layer.k_bias = numbers(config.kv_width(), -2, 2);
    layer.v_bias = numbers(config.kv_width(), -1, 1);
  }
  if (config.family == llama::Family::Qwen3) {
    layer.q_norm = numbers(config.head_dim, 0.5F, 2);
    layer.k_norm = numbers(config.head_dim, 0.2F, 3);
  }
  return layer;
}

/// Tokens of the residual stream with a few large channels.
inline Rows random_tokens(int tokens, int hidden, uint64_t seed) {
  Random random(seed);
  Rows rows(static_cast<size_t>(tokens), Row(static_cast<size_t>(hidden)));
  for (Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) row[i] = random.uniform(-1, 1) * (i % 61 == 7 ? 20.0F : 1.0F);
  }
  return rows;
}

/// ‖a − b‖ / ‖b‖ of the worst row.
inline double difference(const Rows& a, const Rows& b) {
  double worst = 0;
  for (size_t t = 0; t < b.size(); ++t) {
    double off = 0, all = 0;
    for (size_t i = 0; i < b[t].size(); ++i) {
      off += (a[t][i] - b[t][i]) * (a[t][i] - b[t][i]);
      all += b[t][i] * b[t][i];
    }
    worst = std::max(worst, std::sqrt(off / all));
  }
  return worst;
}

inline double difference(const Matrix& a, const Matrix& b) {
  const auto rows = [](const Matrix& m) {
    Rows all;
    for (int t = 0; t < m.rows; ++t) all.emplace_back(m.row(t), m.row(t) + m.cols);
    return all;
  };
  return difference(rows(a), rows(b));
}

struct Shape {
  std::string name;
  Config config;
};
inline void PrintTo(const Shape& shape, std::ostream* out) { *out << shape.name; }

/// MHA and GQA, heads of 64 and 128, powers of two and not, with biases and with norms.
inline std::vector<Shape> shapes() {
  const auto config = [](llama::Family family, int hidden, int intermediate, int heads, int kv_heads, int head_dim) {
    Config c;
    c.family = family;
    c.hidden = hidden, c.intermediate = intermediate, c.heads = heads, c.kv_heads = kv_heads, c.head_dim = head_dim;
    c.layers = 1, c.vocab = 32;
    return c;
  };
  using enum llama::Family;
  return {{"LlamaGqa64", config(Llama, 256, 384, 4, 2, 64)},     {"LlamaMha128", config(Llama, 256, 512, 2, 2, 128)},
          {"MistralMqa64", config(Mistral, 384, 256, 4, 1, 64)}, {"Qwen2Gqa64", config(Qwen2, 896 / 2, 384, 6, 2, 64)},
          {"Qwen2Mha64", config(Qwen2, 128, 256, 2, 2, 64)},     {"Qwen3Gqa128", config(Qwen3, 320, 256, 4, 2, 128)},
          {"Qwen3Mha64", config(Qwen3, 256, 256, 2, 2, 64)}};
}

}  // namespace qoq::transform::plain
