// The forward beside a second one, in fp64 and without any of its parts, and what it must not depend on.
#include "kernels/llama/forward.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "kernels/base/error.h"
#include "kernels/llama/product.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::llama {
namespace {

using Row = std::vector<double>;

Row linear(const Matrix& w, const Row& x, const std::vector<float>& bias = {}) {
  Row y;
  for (int n = 0; n < w.rows; ++n) {
    double sum = bias.empty() ? 0 : bias[static_cast<size_t>(n)];
    for (int k = 0; k < w.cols; ++k) sum += static_cast<double>(w.row(n)[k]) * x[static_cast<size_t>(k)];
    y.push_back(sum);
  }
  return y;
}

/// Normalises `count` numbers from `first` on.
void normalise(Row& x, size_t first, const std::vector<float>& gain, double epsilon) {
  double squares = 0;
  for (size_t i = 0; i < gain.size(); ++i) squares += x[first + i] * x[first + i];
  for (size_t i = 0; i < gain.size(); ++i)
    x[first + i] *= gain[i] / std::sqrt(squares / static_cast<double>(gain.size()) + epsilon);
}

/// One new token after those whose keys and values are there: as an engine decodes.
class Decoder {
 public:
  explicit Decoder(const Model& model) : model_(model), keys_(model.layers.size()), values_(model.layers.size()) {}

  Row logits(int token) {
    const Config& c = model_.config;
    const float* row = model_.ends.embedding.row(token);
    Row x(row, row + c.hidden);
    for (size_t i = 0; i < model_.layers.size(); ++i) {
      const Layer& layer = model_.layers[i];
      Row a = x;
      normalise(a, 0, layer.attention_norm, c.norm_epsilon);
      const Row attended = linear(layer.o, attention(layer, i, a));
      for (size_t d = 0; d < x.size(); ++d) x[d] += attended[d];
      Row f = x;
      normalise(f, 0, layer.ffn_norm, c.norm_epsilon);
      const Row gate = linear(layer.gate, f), up = linear(layer.up, f);
      Row inner;
      for (size_t d = 0; d < up.size(); ++d) inner.push_back(gate[d] / (1 + std::exp(-gate[d])) * up[d]);
      const Row down = linear(layer.down, inner);
      for (size_t d = 0; d < x.size(); ++d) x[d] += down[d];
    }
    normalise(x, 0, model_.ends.final_norm, c.norm_epsilon);
    ++position_;
    return linear(c.tied ? model_.ends.embedding : model_.ends.head, x);
  }

 private:
  Row rotated(Row x, const std::vector<float>& gain) const {
    const auto width = static_cast<size_t>(model_.config.head_dim);
    for (size_t first = 0; first < x.size(); first += width) {
      if (!gain.empty()) normalise(x, first, gain, model_.config.norm_epsilon);
      for (size_t i = 0; i < width / 2; ++i) {
        const double angle =
            position_ * std::pow(model_.config.rope_theta, -static_cast<double>(i) / static_cast<double>(width / 2));
        const double a = x[first + i], b = x[first + i + width / 2];
        x[first + i] = a * std::cos(angle) - b * std::sin(angle);
        x[first + i + width / 2] = a * std::sin(angle) + b * std::cos(angle);
      }
    }
    return x;
  }

  Row attention(const Layer& layer, size_t index, const Row& a) {
    const Config& c = model_.config;
    const Row q = rotated(linear(layer.q, a, layer.q_bias), layer.q_norm);
    keys_[index].push_back(rotated(linear(layer.k, a, layer.k_bias), layer.k_norm));
    values_[index].push_back(linear(layer.v, a, layer.v_bias));
    const auto width = static_cast<size_t>(c.head_dim);
    Row out(q.size());
    for (size_t head = 0; head < static_cast<size_t>(c.heads); ++head) {
      const size_t from = head * width, kv = head / static_cast<size_t>(c.group()) * width;
      Row weights;
      double sum = 0;
      for (const Row& key : keys_[index]) {
        double product = 0;
        for (size_t d = 0; d < width; ++d) product += q[from + d] * key[kv + d];
        weights.push_back(std::exp(product / std::sqrt(static_cast<double>(width))));
        sum += weights.back();
      }
      for (size_t j = 0; j < weights.size(); ++j) {
        for (size_t d = 0; d < width; ++d) out[from + d] += weights[j] / sum * values_[index][j][kv + d];
      }
    }
    return out;
  }

  const Model& model_;
  std::vector<std::vector<Row>> keys_, values_;
  int position_ = 0;
};

class EveryFamily : public testing::TestWithParam<Family> {};

TEST_P(EveryFamily, TheForwardIsThatOfAnFp64Decoder) {
  const Model model = test::tiny_model(test::tiny_config(GetParam()), 7);
  const std::vector<int> tokens = test::random_tokens(70, model.config.vocab, 3);
  const Matrix got = forward(model, tokens, count_positions(70));
  Decoder decoder(model);
  double error = 0, largest = 0;
  for (int t = 0; t < got.rows; ++t) {
    const Row want = decoder.logits(tokens[static_cast<size_t>(t)]);
    for (int i = 0; i < got.cols; ++i) {
      error = std::max(error, std::abs(got.row(t)[i] - want[static_cast<size_t>(i)]));
      largest = std::max(largest, std::abs(want[static_cast<size_t>(i)]));
    }
  }
  EXPECT_GT(largest, 1);
  EXPECT_LT(error, 1e-5 * largest);
}

TEST_P(EveryFamily, BitsDoNotDependOnThreadsNorOnWhatElseIsComputed) {
  const Model model = test::tiny_model(test::tiny_config(GetParam()), 8);
  const std::vector<int> tokens = test::random_tokens(131, model.config.vocab, 4);
  const std::vector<int> positions = count_positions(131);
  const Matrix one = forward(model, tokens, positions, nullptr, 1);
  EXPECT_EQ(one, forward(model, tokens, positions, nullptr, 3));
  std::vector<LayerActivations> recorded;
  EXPECT_EQ(one, forward(model, tokens, positions, &recorded, 2)) << "recording changes nothing";
  Matrix prefix = forward(model, std::span(tokens).first(58), std::span(positions).first(58));
  EXPECT_TRUE(std::equal(prefix.values.begin(), prefix.values.end(), one.values.begin()))
      << "later tokens are not seen";
}

TEST_P(EveryFamily, SequencesInOneTableDoNotSeeEachOther) {
  const Model model = test::tiny_model(test::tiny_config(GetParam()), 9);
  const std::vector<int> tokens = test::random_tokens(50, model.config.vocab, 5);
  std::vector<int> positions = count_positions(20);
  for (int p : count_positions(30)) positions.push_back(p);
  const Matrix both = forward(model, tokens, positions);
  const Matrix second = forward(model, std::span(tokens).subspan(20), count_positions(30));
  EXPECT_TRUE(std::equal(second.values.begin(), second.values.end(), both.row(20)));
}

INSTANTIATE_TEST_SUITE_P(Llama, EveryFamily, testing::Values(Family::Llama, Family::Qwen2, Family::Qwen3),
                         [](const auto& instance) { return family_name(instance.param); });

TEST(Forward, RecordsWhatEachPartTakes) {
  const Model model = test::tiny_model(test::tiny_config(Family::Qwen2), 10);
  const std::vector<int> tokens = test::random_tokens(9, model.config.vocab, 6);
  std::vector<LayerActivations> recorded;
  forward(model, tokens, count_positions(9), &recorded);
  ASSERT_EQ(recorded.size(), 2u);
  const Config& config = model.config;
  const Matrix x = embed(model.ends, tokens);
  const LayerActivations& first = recorded[0];
  const Layer& layer = model.layers[0];
  EXPECT_EQ(first.attention_input, rms_norm(x, layer.attention_norm, config.norm_epsilon));
  Matrix keys = multiply(first.attention_input, layer.k, layer.k_bias);
  apply_rope(keys, config.head_dim, config.rope_theta, count_positions(9));
  EXPECT_EQ(first.keys, keys);
  Matrix queries = multiply(first.attention_input, layer.q, layer.q_bias);
  apply_rope(queries, config.head_dim, config.rope_theta, count_positions(9));
  EXPECT_EQ(first.queries, queries);
  EXPECT_EQ(first.output_input.cols, config.q_width());
  EXPECT_EQ(first.down_input, gate_up(multiply(first.ffn_input, layer.gate), multiply(first.ffn_input, layer.up)));
  EXPECT_EQ(first.positions, count_positions(9));
  EXPECT_EQ(recorded[1].down_input.rows, 9);
}

TEST(Forward, RefusesTokensOutsideTheVocabulary) {
  const Model model = test::tiny_model(test::tiny_config(Family::Llama), 1);
  EXPECT_THROW(embed(model.ends, std::vector<int>{model.config.vocab}), Error);
  EXPECT_THROW(embed(model.ends, std::vector<int>{-1}), Error);
}

TEST(Product, EverySizeBesideFp64) {
  Random random(2);
  for (int inputs : {1, 7, 15, 16, 17, 44, 256}) {
    for (int tokens : {1, 2, 3, 4, 5, 67}) {
      const Matrix x = test::random_matrix(tokens, inputs, random, 1), w = test::random_matrix(35, inputs, random, 1);
      const std::vector<float> bias = test::random_vector(35, random, -1, 1);
      const Matrix y = multiply(x, w, bias);
      for (int t = 0; t < tokens; ++t) {
        const Row want = linear(w, Row(x.row(t), x.row(t) + inputs), bias);
        for (int n = 0; n < 35; ++n) {
          ASSERT_NEAR(y.row(t)[n], want[static_cast<size_t>(n)], 1e-5) << inputs << " " << t << " " << n;
          ASSERT_EQ(y.row(t)[n], dot(x.row(t), w.row(n), inputs) + bias[static_cast<size_t>(n)]);
        }
      }
    }
  }
}

/// 16 interleaved sums, added in pairs: the order that the header states, whatever instructions compute it.
float stated_dot(const float* a, const float* b, int count) {
  std::array<float, 16> sums{};
  for (int k = 0; k < count; ++k) sums[static_cast<size_t>(k % 16)] += a[k] * b[k];
  for (size_t width = 8; width > 0; width /= 2) {
    for (size_t j = 0; j < width; ++j) sums[j] += sums[j + width];
  }
  return sums[0];
}

TEST(Product, TheOrderOfSumsIsTheStatedOne) {
  Random random(3);
  for (int inputs : {1, 15, 16, 33, 500}) {
    const Matrix x = test::random_matrix(9, inputs, random, 1), w = test::random_matrix(40, inputs, random, 1);
    const Matrix y = multiply(x, w, {}, 3);
    for (int t = 0; t < 9; ++t) {
      for (int n = 0; n < 40; ++n) ASSERT_EQ(y.row(t)[n], stated_dot(x.row(t), w.row(n), inputs)) << inputs;
    }
  }
}

TEST(Product, SizesThatDisagree) {
  EXPECT_THROW(multiply(Matrix(2, 3), Matrix(4, 5)), Error);
  EXPECT_THROW(multiply(Matrix(2, 3), Matrix(4, 3), std::vector<float>(3)), Error);
}

}  // namespace
}  // namespace qoq::llama
