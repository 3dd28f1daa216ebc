// What the transforms choose: that it helps what it is for, and that threads do not change a bit of it.
#include <gtest/gtest.h>

#include <numeric>

#include "kernels/base/error.h"
#include "kernels/transform/channels.h"
#include "kernels/transform/output_error.h"
#include "kernels/transform/recipe.h"
#include "kernels/transform/reorder.h"
#include "kernels/transform/rotation.h"
#include "kernels/transform/smooth_attention.h"
#include "kernels/transform/smooth_outputs.h"
#include "tests/kernels/transform/plain_layer.h"

namespace qoq::transform {
namespace {

using namespace plain;

class Choice : public testing::TestWithParam<Shape> {
 protected:
  const Config config_ = GetParam().config;
  const Layer before_ = random_layer(config_, 31);
  const LayerActivations seen_ = run(config_, before_, random_tokens(24, config_.hidden, 32)).activations;

  double logit_errors(const AttentionStrength& strength) const {
    Layer layer = before_;
    LayerActivations smoothed = seen_;
    smooth_attention(strength, config_, layer, smoothed);
    const std::vector<float> ones(static_cast<size_t>(config_.kv_width()), 1.0F);
    double sum = 0;
    for (int head = 0; head < config_.kv_heads; ++head) sum += logit_error(config_, smoothed, head, ones);
    return sum;
  }
};

/// One scale for the two channels that RoPE mixes; a channel's is the square root of its largest or its partner's.
TEST_P(Choice, AttentionScalesAreThoseOfPairs) {
  const std::vector<float> maxima = column_maxima(seen_.keys);
  const std::vector<float> scales = attention_scales(config_, maxima, 0.5);
  const size_t dim = static_cast<size_t>(config_.head_dim), half = dim / 2;
  for (size_t i = 0; i < scales.size(); ++i) {
    if (i % dim >= half) continue;
    EXPECT_EQ(scales[i], scales[i + half]);
    EXPECT_FLOAT_EQ(scales[i], std::sqrt(std::max(maxima[i], maxima[i + half])));
  }
}

TEST_P(Choice, SmoothedKeysLoseLessInFourBits) {
  const double plain = logit_errors({0, false}), fixed = logit_errors({0.5, false}), searched = logit_errors({0, true});
  EXPECT_LT(fixed, 0.8 * plain) << "these keys have outlier channels";
  EXPECT_LT(searched, 1.0001 * fixed) << "4/8 is among what is searched";
}

/// Without keys the guess from W_K (or the key norm) still finds the outlier channels.
TEST_P(Choice, KeysAreSmoothedWithoutCalibration) {
  Layer layer = before_;
  LayerActivations none;
  EXPECT_NE(smooth_attention({0.5, false}, config_, layer, none).find("no keys recorded"), std::string::npos);
  const LayerActivations after = run(config_, layer, random_tokens(24, config_.hidden, 32)).activations;
  const std::vector<float> ones(static_cast<size_t>(config_.kv_width()), 1.0F);
  double error = 0;
  for (int head = 0; head < config_.kv_heads; ++head) error += logit_error(config_, after, head, ones);
  EXPECT_LT(error, 0.9 * logit_errors({0, false}));
}

TEST_P(Choice, SearchedOutputScalesNeverLose) {
  for (const int group : {64, 0}) {
    const WeightFormat format{group};
    const auto errors = [&](const Layer& layer, const LayerActivations& seen) {
      const std::vector<float> o(static_cast<size_t>(layer.o.cols), 1.0F),
          down(static_cast<size_t>(layer.down.cols), 1.0F);
      return std::pair{output_error(layer.o, seen.output_input, o, format, true),
                       output_error(layer.down, seen.down_input, down, format, true)};
    };
    Layer layer = before_;
    LayerActivations seen = seen_;
    smooth_outputs({0, 0, true}, format, config_, layer, seen);
    const auto before = errors(before_, seen_), after = errors(layer, seen);
    EXPECT_LE(after.first, before.first * 1.00001);
    EXPECT_LT(after.second, before.second * 0.9) << "down's inputs have outlier channels";
  }
}

TEST_P(Choice, ReorderedInputsDescend) {
  Layer layer = before_;
  LayerActivations seen = seen_;
  reorder_channels(config_, layer, seen);
  const std::vector<float> down = column_maxima(seen.down_input), o = column_maxima(seen.output_input);
  EXPECT_TRUE(std::is_sorted(down.rbegin(), down.rend()));
  const size_t dim = static_cast<size_t>(config_.head_dim), wide = dim * static_cast<size_t>(config_.group());
  for (size_t kv = 0; kv < o.size(); kv += wide) {  // the largest of all query heads of a KV head decides
    std::vector<float> most(dim);
    for (size_t c = 0; c < wide; ++c) most[c % dim] = std::max(most[c % dim], o[kv + c]);
    EXPECT_TRUE(std::is_sorted(most.rbegin(), most.rend()));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Choice, testing::Values(shapes()[0], shapes()[1], shapes()[3], shapes()[5]),
                         [](const auto& shape) { return shape.param.name; });

TEST(Threads, DoNotChangeABit) {
  for (const llama::Family family : {llama::Family::Qwen2, llama::Family::Qwen3}) {
    Config config = shapes()[0].config;
    config.family = family;
    config.hidden = 64, config.intermediate = 96, config.heads = 2, config.kv_heads = 1, config.head_dim = 32;
    const Layer before = random_layer(config, 41);
    const LayerActivations recorded_then = run(config, before, random_tokens(9, config.hidden, 42)).activations;
    for (const char* text : {"qoq", "rotation,smooth-attention=search,smooth-outputs=search,reorder,clip=weights"}) {
      const WeightFormat format{32};
      const auto made = [&](int threads) {
        Layer layer = before;
        LayerActivations seen = recorded_then;
        transform_layer(read_recipe(text, format), format, config, layer, seen, threads);
        clip_layer(read_recipe(text, format), format, config, layer, seen, threads);
        return layer;
      };
      const Layer one = made(1);
      EXPECT_EQ(made(3), one);
      EXPECT_NE(one.down, before.down);
    }
  }
}

/// A bias alone can make a key channel stand out (Qwen2's do).
TEST(SmoothAttention, SeesOutlierBiasesWithoutCalibration) {
  const Config config = shapes()[3].config;
  Layer layer = random_layer(config, 51);
  layer.k_bias[4] = 64;
  LayerActivations none;
  smooth_attention({0.5, false}, config, layer, none);
  EXPECT_LT(layer.k_bias[4], 9);  // divided by a little more than its root
}

/// Normal weights with a share of them `tail` times as large; tokens with every `apart`-th channel `outlier` times as
/// large. The output error with int8 tokens and 4-bit weights before a rotation over the one after it.
double rotation_gain(int apart, float outlier, float tail) {
  constexpr int hidden = 768;
  Random random(7);
  Matrix w(64, hidden), x(32, hidden);
  for (float& value : w.values) {
    for (int i = 0; i < 4; ++i) value += random.uniform(-1, 1);
    if (random.uniform(0, 1) < 0.01F) value *= tail;
  }
  for (int i = 0; i < 32 * hidden; ++i) {
    x.values[static_cast<size_t>(i)] = random.uniform(-1, 1) * (i % hidden % apart == 7 ? outlier : 1.0F);
  }
  const std::vector<float> ones(hidden, 1.0F);
  const double before = output_error(w, x, ones, {}, true);
  rotate_rows(rotation_of(hidden), w);
  rotate_rows(rotation_of(hidden), x);
  return before / output_error(w, x, ones, {}, true);
}

/// What the rotation is for: single channels or weights that stand out. Where nothing does it costs a little: weights
/// come out normal, and normal ones have longer tails than these.
TEST(Rotation, PaysWhereSomethingStandsOut) {
  EXPECT_GT(rotation_gain(768, 100, 1), 1.25);
  EXPECT_GT(rotation_gain(768, 1, 8), 1.5);
  EXPECT_NEAR(rotation_gain(768, 1, 1), 0.9, 0.1);
}

TEST(TransformLayer, RefusesActivationsOfAnotherLayer) {
  const Config config = shapes()[0].config;
  Layer layer = random_layer(config, 1);
  LayerActivations wrong;
  wrong.keys = Matrix(3, 17);
  try {
    transform_layer(qoq_recipe({}), {}, config, layer, wrong);
    FAIL() << "it took them";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    EXPECT_STREQ(error.what(), "recorded keys has rows of 17 numbers, the layer's are of 128");
  }
}

TEST(TransformLayer, RefusesPositionsOfOtherTokens) {
  const Config config = shapes()[0].config;
  Layer layer = random_layer(config, 1);
  LayerActivations wrong;
  wrong.attention_input = Matrix(3, config.hidden);
  wrong.positions = {0, 1};
  try {
    clip_layer(qoq_recipe({}), {}, config, layer, wrong);
    FAIL() << "it took them";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "recorded positions are of 2 tokens, attention_input of 3");
  }
}

TEST(TransformLayer, RefusesARotationThatDoesNotExist) {
  Config config = shapes()[0].config;
  config.hidden = 23 * 16;
  Layer layer = random_layer(config, 1);
  LayerActivations none;
  try {
    transform_layer(qoq_recipe({}), {}, config, layer, none);
    FAIL() << "it rotated";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    EXPECT_NE(std::string(error.what()).find("no rotation of hidden size 368"), std::string::npos) << error.what();
  }
}

TEST(PermuteRows, FollowsEveryCycle) {
  Matrix m(5, 2);
  std::iota(m.values.begin(), m.values.end(), 0.0F);
  const std::vector<int> order = {2, 1, 4, 0, 3};
  permute_rows(m, order);
  EXPECT_EQ(m.values, (std::vector<float>{4, 5, 2, 3, 8, 9, 0, 1, 6, 7}));
}

}  // namespace
}  // namespace qoq::transform
