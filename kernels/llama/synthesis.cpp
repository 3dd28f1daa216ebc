#include "kernels/llama/synthesis.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/random.h"
#include "kernels/llama/elementary.h"
#include "kernels/llama/forward.h"
#include "kernels/llama/product.h"

namespace qoq::llama {

namespace {

constexpr int probe_tokens = 256;
constexpr double degrees = 5;  ///< of freedom of the weights
constexpr double sigma = 0.3;  ///< of the log-normal sizes of rows and gains
constexpr double attention_spread = 1.5, update_size = 0.5, logit_spread = 3;

/// Random numbers by their distribution.
class Draws {
 public:
  explicit Draws(uint64_t seed) : random_(seed) {}
  double normal() { return std::sqrt(-2 * logarithm(open())) * turn(); }
  /// Of variance 1 (R. W. Bailey, Polar generation of random variates with the t-distribution, 1994).
  double student() {
    const double square = degrees * (power(open(), -2 / degrees) - 1);
    return std::sqrt(square) * turn() * std::sqrt((degrees - 2) / degrees);
  }
  double size() { return exponential(sigma * normal()); }
  double sign() { return (random_.next() & 1) != 0 ? 1 : -1; }
  /// `count` different numbers below `end`, ascending.
  std::vector<int> choose(int count, int end) {
    std::vector<int> chosen;
    while (static_cast<int>(chosen.size()) < std::min(count, end)) {
      const int number = random_.between(0, end - 1);
      if (std::ranges::find(chosen, number) == chosen.end()) chosen.push_back(number);
    }
    std::ranges::sort(chosen);
    return chosen;
  }

 private:
  double open() { return (static_cast<double>(random_.next() >> 12) + 0.5) * 0x1p-52; }  ///< in (0, 1)
  double turn() { return sine_cosine(2 * std::numbers::pi * open()).cosine; }
  Random random_;
};

/// Rows of different sizes whose outputs, of inputs of size 1, are of size 1.
Matrix draw_matrix(Draws& draws, int rows, int cols) {
  Matrix m(rows, cols);
  for (int n = 0; n < rows; ++n) {
    const double scale = draws.size() / std::sqrt(static_cast<double>(cols));
    for (int k = 0; k < cols; ++k) m.row(n)[k] = static_cast<float>(scale * draws.student());
  }
  return m;
}

std::vector<float> draw_gains(Draws& draws, int count) {
  std::vector<float> gains;
  for (int i = 0; i < count; ++i) gains.push_back(static_cast<float>(draws.size()));
  return gains;
}

void scale(std::vector<float>& values, double factor) {
  for (float& x : values) x = static_cast<float>(static_cast<double>(x) * factor);
}
void scale_row(Matrix& m, int row, double factor) {
  for (int k = 0; k < m.cols; ++k) m.row(row)[k] = static_cast<float>(static_cast<double>(m.row(row)[k]) * factor);
}
void scale_column(Matrix& m, int column, double factor) {
  for (int n = 0; n < m.rows; ++n)
    m.row(n)[column] = static_cast<float>(static_cast<double>(m.row(n)[column]) * factor);
}

/// The size of a table's columns but for some.
double size_without(const Matrix& x, const std::vector<int>& columns) {
  double squares = 0;
  int count = 0;
  for (int d = 0; d < x.cols; ++d) {
    if (std::ranges::binary_search(columns, d)) continue;
    for (int t = 0; t < x.rows; ++t) squares += static_cast<double>(x.row(t)[d]) * static_cast<double>(x.row(t)[d]);
    ++count;
  }
  return std::sqrt(squares / count / x.rows);
}

/// How far a row's values lie from the row's mean, over all rows.
double spread(const std::vector<std::vector<double>>& rows) {
  double squares = 0, count = 0;
  for (const std::vector<double>& row : rows) {
    double mean = 0;
    for (const double x : row) mean += x / static_cast<double>(row.size());
    for (const double x : row) squares += (x - mean) * (x - mean);
    count += static_cast<double>(row.size());
  }
  return std::sqrt(squares / count);
}

double attention_logit_spread(const Config& c, const LayerActivations& seen) {
  std::vector<std::vector<double>> rows;
  for (int t = 1; t < seen.queries.rows; ++t) {
    for (int head = 0; head < c.heads; ++head) {
      rows.emplace_back();
      for (int j = 0; j <= t; ++j) {
        const float* key = seen.keys.row(j) + head / c.group() * c.head_dim;
        rows.back().push_back(static_cast<double>(dot(seen.queries.row(t) + head * c.head_dim, key, c.head_dim)) /
                              std::sqrt(static_cast<double>(c.head_dim)));
      }
    }
  }
  return spread(rows);
}

/// Builds a model from below: each layer's sizes by what the layers before it make of the probe.
class Synthesizer {
 public:
  Synthesizer(const Config& config, uint64_t seed, double outliers)
      : c_(config),
        outliers_(outliers),
        inner_outliers_(1 + (outliers - 1) / 4),
        draws_(seed),
        channels_(draws_.choose(std::max(2, config.hidden / 64), config.hidden)),
        positions_(count_positions(probe_tokens)) {}

  Model make() {
    Model model{c_, draw_ends(), {}};
    stream_ = embed(model.ends, draw_tokens(c_.vocab, probe_tokens, draws_.choose(1, 1 << 30).front()));
    for (int i = 0; i < c_.layers; ++i) model.layers.push_back(draw_layer());
    scale(model.ends.final_norm, gain_of(stream_));
    const Matrix logits = read_out(c_, model.ends, stream_);
    std::vector<std::vector<double>> rows;
    for (int t = 0; t < logits.rows; ++t) rows.emplace_back(logits.row(t), logits.row(t) + logits.cols);
    scale(model.ends.head.values, logit_spread / spread(rows));
    return model;
  }

 private:
  Ends draw_ends() {
    Ends ends{Matrix(c_.vocab, c_.hidden), draw_gains(draws_, c_.hidden), draw_reader(c_.vocab)};
    for (float& x : ends.embedding.values) x = static_cast<float>(draws_.student());
    for (const int channel : channels_) {
      const double constant = draws_.sign() * outliers_;
      for (int token = 0; token < c_.vocab; ++token)
        ends.embedding.row(token)[channel] = static_cast<float>(constant * (1 + 0.2 * draws_.normal()));
    }
    return ends;
  }

  /// Weights that read the stream.
  Matrix draw_reader(int rows) {
    Matrix m = draw_matrix(draws_, rows, c_.hidden);
    for (const int channel : channels_) scale_column(m, channel, 1 / std::sqrt(outliers_));
    return m;
  }

  /// Brings ordinary channels of x, normalised, to size 1.
  double gain_of(const Matrix& x) const { return size_without(x, {}) / size_without(x, channels_); }

  void draw_weights(Layer& layer) {
    layer.attention_norm = draw_gains(draws_, c_.hidden);
    layer.q = draw_reader(c_.q_width());
    layer.k = draw_reader(c_.kv_width());
    layer.v = draw_reader(c_.kv_width());
    if (c_.family == Family::Qwen2) {
      for (auto* bias : {&layer.q_bias, &layer.k_bias, &layer.v_bias}) {
        const int width = bias == &layer.q_bias ? c_.q_width() : c_.kv_width();
        for (int i = 0; i < width; ++i) bias->push_back(static_cast<float>(0.5 * draws_.normal()));
      }
    }
    if (c_.family == Family::Qwen3) {
      layer.q_norm = draw_gains(draws_, c_.head_dim);
      layer.k_norm = draw_gains(draws_, c_.head_dim);
    }
    layer.o = draw_matrix(draws_, c_.hidden, c_.q_width());
    layer.ffn_norm = draw_gains(draws_, c_.hidden);
    layer.gate = draw_reader(c_.intermediate);
    layer.up = draw_reader(c_.intermediate);
    layer.down = draw_matrix(draws_, c_.hidden, c_.intermediate);
  }

  void enlarge_keys(Layer& layer) {
    const double queries = 1 / std::sqrt(inner_outliers_);
    for (int head = 0; head < c_.kv_heads; ++head) {
      const int channel = draws_.choose(1, c_.head_dim).front(), row = head * c_.head_dim + channel;
      if (c_.family == Family::Qwen3) {  // one gain for all heads
        if (head > 0) break;
        scale_at(layer.k_norm, channel, inner_outliers_);
        scale_at(layer.q_norm, channel, queries);
        continue;
      }
      scale_row(layer.k, row, inner_outliers_);
      if (!layer.k_bias.empty())
        layer.k_bias[static_cast<size_t>(row)] = static_cast<float>(inner_outliers_ * draws_.sign());
      for (int i = 0; i < c_.group(); ++i) {
        const int query = (head * c_.group() + i) * c_.head_dim + channel;
        scale_row(layer.q, query, queries);
        if (!layer.q_bias.empty()) scale_at(layer.q_bias, query, queries);
      }
    }
  }

  void enlarge_down_inputs(Layer& layer) {
    for (const int channel : draws_.choose(std::max(2, c_.intermediate / 128), c_.intermediate)) {
      scale_row(layer.up, channel, inner_outliers_);
      scale_column(layer.down, channel, 1 / std::sqrt(inner_outliers_));
    }
  }

  static void scale_at(std::vector<float>& values, int index, double factor) {
    float& x = values[static_cast<size_t>(index)];
    x = static_cast<float>(static_cast<double>(x) * factor);
  }

  /// A layer of the right sizes; the probe's stream goes through it.
  Layer draw_layer() {
    Layer layer;
    draw_weights(layer);
    enlarge_keys(layer);
    enlarge_down_inputs(layer);
    scale(layer.attention_norm, gain_of(stream_));
    LayerActivations seen = record(layer);
    const double sharper = attention_spread / attention_logit_spread(c_, seen);
    scale(layer.q_norm.empty() ? layer.q.values : layer.q_norm, sharper);
    if (!layer.q_bias.empty()) scale(layer.q_bias, sharper);
    seen = record(layer);
    const double stream = size_without(stream_, channels_);
    const auto update = [&](Matrix& w, const Matrix& input) {
      scale(w.values, update_size * stream / size_without(multiply(input, w), channels_));
    };
    update(layer.o, seen.output_input);
    Matrix middle = multiply(seen.output_input, layer.o);
    for (size_t i = 0; i < middle.values.size(); ++i) middle.values[i] += stream_.values[i];
    scale(layer.ffn_norm, gain_of(middle));
    update(layer.down, record(layer).down_input);
    stream_ = layer_forward(c_, layer, stream_, positions_);
    return layer;
  }

  LayerActivations record(const Layer& layer) const {
    LayerActivations seen;
    layer_forward(c_, layer, stream_, positions_, &seen);
    return seen;
  }

  Config c_;
  double outliers_, inner_outliers_;
  Draws draws_;
  std::vector<int> channels_;  ///< of the stream's outliers
  std::vector<int> positions_;
  Matrix stream_;  ///< the probe's, as far as it came
};

}  // namespace

Model synthesize(const Config& config, uint64_t seed, double outliers) {
  if (!(outliers >= 1 && outliers <= 1024)) bad_input("an outlier strength of {} is out of range, 1 to 1024", outliers);
  if (config.tied) bad_input("a synthetic model's head is its own: tied weights name the token just read");
  return Synthesizer(config, seed, outliers).make();
}

Config synthetic_config(Family family) {
  Config config;
  config.family = family;
  config.hidden = 256;
  config.intermediate = 768;
  config.layers = 4;
  config.heads = 8;
  config.kv_heads = 2;
  config.head_dim = 64;
  config.vocab = 512;
  return config;
}

std::vector<int> draw_tokens(int vocab, int count, uint64_t seed) {
  std::vector<double> ends;  // of each token's share
  for (int r = 0; r < vocab; ++r) ends.push_back((ends.empty() ? 0 : ends.back()) + 1 / (r + 2.7));
  Random random(seed);
  std::vector<int> tokens;
  for (int i = 0; i < count; ++i) {
    const double at = static_cast<double>(random.next() >> 11) * 0x1p-53 * ends.back();
    const auto found = std::ranges::upper_bound(ends, at);
    tokens.push_back(std::min(static_cast<int>(found - ends.begin()), vocab - 1));
  }
  return tokens;
}

std::vector<int> repeat_positions(int length, int count) {
  std::vector<int> positions;
  for (int i = 0; i < count; ++i) positions.push_back(i % length);
  return positions;
}

}  // namespace qoq::llama
