#include "kernels/transform/clip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/transform/channels.h"
#include "kernels/transform/clip_attention.h"
#include "kernels/transform/clip_row.h"
#include "kernels/transform/output_error.h"
#include "tests/kernels/transform/plain_layer.h"

namespace qoq::transform {
namespace {

using namespace plain;

constexpr int groups[] = {128, 64, 32, 0};

std::vector<float> heavy_row(size_t size, uint64_t seed) {
  Random random(seed);
  std::vector<float> row(size);
  for (float& w : row) {
    const float u = random.uniform(-1, 1);
    w = u * u * u * (random.uniform(0, 1) < 0.02F ? 4.0F : 1.0F);
  }
  return row;
}

/// Tokens with correlated, uneven channels.
Matrix uneven_tokens(int count, int channels, uint64_t seed) {
  Random random(seed);
  Matrix x(count, channels);
  for (int t = 0; t < count; ++t) {
    const float common = random.uniform(-1, 1);
    for (int c = 0; c < channels; ++c) x.row(t)[c] = (random.uniform(-1, 1) + common) * (c % 37 == 5 ? 10.0F : 1.0F);
  }
  return x;
}

Matrix independent_tokens(int count, int channels, uint64_t seed) {
  Random random(seed);
  Matrix x(count, channels);
  for (float& value : x.values) value = random.uniform(-1, 1);
  return x;
}

double row_error(const std::vector<float>& row, const std::vector<float>& exact, const WeightFormat& format,
                 const RowCost& cost) {
  std::vector<float> lost = quantised_row(row, format);
  for (size_t i = 0; i < lost.size(); ++i) lost[i] -= exact[i];
  return cost.of(lost, 0);
}

TEST(ClampRow, ShrinksEachGroupsOwnRange) {
  std::vector<float> row(64, 0.1F);
  row[0] = 10, row[1] = -2, row[40] = 1, row[41] = 0.9F;
  const std::vector<float> grouped = clamp_row(row, {.group = 32}, 0.5F);
  EXPECT_EQ(grouped[0], 5);
  EXPECT_EQ(grouped[1], -1);
  EXPECT_EQ(grouped[40], 0.5F);
  EXPECT_EQ(grouped[41], 0.5F);
  EXPECT_EQ(grouped[2], 0.1F);
  const std::vector<float> whole = clamp_row(row, {.group = 0}, 0.5F);
  EXPECT_EQ(whole[0], 5);
  EXPECT_EQ(whole[40], 1);
  EXPECT_EQ(clamp_row(row, {.group = 32}, 1), row);
}

TEST(ClipRow, GainsByItsOwnMeasureAndNeverLoses) {
  for (const int group : groups) {
    const WeightFormat format{group};
    const TokenColumns tokens(uneven_tokens(48, 512, 5));
    for (const RowCost& cost : {RowCost(), RowCost(tokens)}) {
      double before = 0, after = 0;
      for (uint64_t seed = 0; seed < 12; ++seed) {
        const std::vector<float> row = heavy_row(512, seed), clipped = clip_row(row, format, cost);
        const double old_error = row_error(row, row, format, cost), new_error = row_error(clipped, row, format, cost);
        EXPECT_LE(new_error, old_error) << "group " << group << " seed " << seed;
        before += old_error, after += new_error;
      }
      EXPECT_LT(after, 0.97 * before) << "group " << group;
    }
  }
}

/// Group by group is better than one ratio for the row: the second step of clip_row is there.
TEST(ClipRow, GivesEachGroupItsRatio) {
  const WeightFormat format{64};
  const RowCost cost;
  double uniform = 0, grouped = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const std::vector<float> row = heavy_row(1024, seed);
    double least = row_error(row, row, format, cost);
    for (const float ratio : clip_ratios)
      least = std::min(least, row_error(clamp_row(row, format, ratio), row, format, cost));
    uniform += least;
    grouped += row_error(clip_row(row, format, cost), row, format, cost);
  }
  EXPECT_LT(grouped, 0.97 * uniform);
}

/// What was fitted on some tokens is better on others too.
TEST(ClipRow, GainsOnTokensThatItDidNotSee) {
  for (const int group : groups) {
    const WeightFormat format{group};
    const TokenColumns seen(uneven_tokens(96, 512, 6)), unseen(uneven_tokens(96, 512, 7));
    double before = 0, after = 0;
    for (uint64_t seed = 0; seed < 16; ++seed) {
      const std::vector<float> row = heavy_row(512, seed), clipped = clip_row(row, format, RowCost(seen));
      before += row_error(row, row, format, RowCost(unseen));
      after += row_error(clipped, row, format, RowCost(unseen));
    }
    EXPECT_LT(after, 0.97 * before) << "group " << group;
  }
}

/// A wide row has more groups than tokens can tell apart: ratios chosen for the row's error, group after group, would
/// cut it to a third on the tokens seen and raise it by two fifths on others. Groups judged alone do neither.
TEST(ClipRow, DoesNotFitTheNoiseOfItsTokens) {
  const WeightFormat format{32};
  const TokenColumns seen(independent_tokens(128, 4096, 6)), unseen(independent_tokens(128, 4096, 7));
  const std::vector<float> row = heavy_row(4096, 3), clipped = clip_row(row, format, RowCost(seen));
  const double on_seen = row_error(clipped, row, format, RowCost(seen)) / row_error(row, row, format, RowCost(seen));
  const double on_unseen =
      row_error(clipped, row, format, RowCost(unseen)) / row_error(row, row, format, RowCost(unseen));
  EXPECT_LT(on_unseen, 1);
  EXPECT_LT(on_unseen, 1.2 * on_seen);
}

TEST(ClipRow, LeavesARowThatNothingCanQuantise) {
  std::vector<float> row(64, 1e30F);
  row[3] = -1e33F;
  for (const int group : {64, 0}) EXPECT_EQ(clip_row(row, {group}, {}), row);
}

/// Biases that matter as much as the weights.
Layer layer_with_large_biases(const Config& config) {
  Layer layer = random_layer(config, 21);
  for (float& bias : layer.q_bias) bias *= 8;
  for (float& bias : layer.k_bias) bias *= 8;
  return layer;
}

class ClipLayer : public testing::TestWithParam<Shape> {
 protected:
  const Config config_ = GetParam().config;
  const Layer before_ = layer_with_large_biases(config_);
  static constexpr WeightFormat format_{32};

  Outcome run_plainly(const Layer& layer, int tokens) const {
    return run(config_, layer, random_tokens(tokens, config_.hidden, 22));
  }

  static Matrix quantised(const Matrix& w) {
    Matrix kept = w;
    for (int r = 0; r < w.rows; ++r) {
      const std::vector<float> row = quantised_row({w.row(r), static_cast<size_t>(w.cols)}, format_);
      std::copy(row.begin(), row.end(), kept.row(r));
    }
    return kept;
  }

  /// Σ over all pairs of tokens of the squared error of q·k, by query head, from the plain layer's queries and keys.
  std::vector<double> logit_errors(const LayerActivations& now, const LayerActivations& then) const {
    std::vector<double> sums(static_cast<size_t>(config_.heads));
    for (int t = 0; t < now.queries.rows; ++t) {
      for (int s = 0; s < now.keys.rows; ++s) {
        for (int head = 0; head < config_.heads; ++head) {
          const int q = head * config_.head_dim, k = head / config_.group() * config_.head_dim;
          double off = 0;
          for (int i = 0; i < config_.head_dim; ++i) {
            off += static_cast<double>(now.queries.row(t)[q + i]) * now.keys.row(s)[k + i];
            off -= static_cast<double>(then.queries.row(t)[q + i]) * then.keys.row(s)[k + i];
          }
          sums[static_cast<size_t>(head)] += off * off;
        }
      }
    }
    return sums;
  }

  /// With one side, q or k, quantised from a weight; by the heads that are clipped: query heads, or KV heads.
  std::vector<double> logit_errors(Matrix Layer::*side, const Matrix& weight, int tokens) const {
    Layer layer = before_;
    layer.*side = quantised(weight);
    std::vector<double> sums =
        logit_errors(run_plainly(layer, tokens).activations, run_plainly(before_, tokens).activations);
    if (side == &Layer::q) return sums;
    std::vector<double> shared(static_cast<size_t>(config_.kv_heads));
    for (size_t head = 0; head < sums.size(); ++head) shared[head / static_cast<size_t>(config_.group())] += sums[head];
    return shared;
  }

  static Matrix clamped(Matrix weight, float ratio) {
    for (int r = 0; r < weight.rows; ++r) {
      const std::vector<float> row = clamp_row({weight.row(r), static_cast<size_t>(weight.cols)}, format_, ratio);
      std::copy(row.begin(), row.end(), weight.row(r));
    }
    return weight;
  }
};

TEST_P(ClipLayer, HelpsAttentionLogits) {
  Layer clipped = before_;
  clip_weights(true, format_, config_, clipped, run_plainly(before_, 24).activations);
  for (Matrix Layer::*side : {&Layer::q, &Layer::k}) {
    const auto before = logit_errors(side, before_.*side, 24), after = logit_errors(side, clipped.*side, 24);
    EXPECT_LT(std::accumulate(after.begin(), after.end(), 0.0),
              0.97 * std::accumulate(before.begin(), before.end(), 0.0));
  }
}

/// Nothing that a head could have had is better than what it got, by the plain layer's logits: so biases, norms, RoPE
/// and the sharing of KV heads are as there. On few tokens, where errors of many rows cancel by chance and only the
/// logits themselves tell which candidate is best.
TEST_P(ClipLayer, ChoosesByTheLogitsThemselves) {
  for (const int tokens : {2, 3, 4, 6}) {
    Layer clipped = before_;
    const LayerActivations seen = run_plainly(before_, tokens).activations;
    clip_weights(true, format_, config_, clipped, seen);
    const TokenColumns columns(seen.attention_input);
    for (Matrix Layer::*side : {&Layer::q, &Layer::k}) {
      std::vector<Matrix> candidates{before_.*side};
      for (int r = 0; r < candidates[0].rows; ++r) {  // each row by its own outputs
        float* row = candidates[0].row(r);
        const auto alone = clip_row({row, static_cast<size_t>(config_.hidden)}, format_, RowCost(columns));
        std::copy(alone.begin(), alone.end(), row);
      }
      for (const float ratio : clip_ratios) candidates.push_back(clamped(before_.*side, ratio));
      const std::vector<double> chosen = logit_errors(side, clipped.*side, tokens);
      for (const Matrix& candidate : candidates) {
        const std::vector<double> other = logit_errors(side, candidate, tokens);
        for (size_t head = 0; head < chosen.size(); ++head) EXPECT_LT(chosen[head], 1.001 * other[head] + 1e-9);
      }
    }
  }
}

TEST_P(ClipLayer, HelpsOutputsOfTheOthers) {
  Layer clipped = before_;
  const LayerActivations seen = run_plainly(before_, 24).activations;
  EXPECT_EQ(clip_weights(true, format_, config_, clipped, seen),
            "clip: by the error of outputs (q, k: of attention logits)");
  const auto error = [&](const Matrix& original, const Matrix& after, const Matrix& inputs) {
    double sum = 0;
    const Matrix kept = quantised(after);
    const TokenColumns tokens(inputs);
    for (int r = 0; r < kept.rows; ++r) {
      std::vector<float> lost(kept.row(r), kept.row(r) + kept.cols);
      for (int c = 0; c < kept.cols; ++c) lost[static_cast<size_t>(c)] -= original.row(r)[c];
      sum += RowCost(tokens).of(lost, 0);
    }
    return sum;
  };
  const auto gains = [&](const Matrix& original, const Matrix& after, const Matrix& inputs) {
    EXPECT_LT(error(original, after, inputs), 0.95 * error(original, original, inputs));
  };
  gains(before_.v, clipped.v, seen.attention_input);
  gains(before_.o, clipped.o, seen.output_input);
  gains(before_.gate, clipped.gate, seen.ffn_input);
  gains(before_.up, clipped.up, seen.ffn_input);
  gains(before_.down, clipped.down, seen.down_input);
}

/// Logits at angles that are not the model's would judge wrongly: q and k are then judged as v is, by their rows.
TEST_P(ClipLayer, AScaledRopeIsNotJudgedByLogits) {
  const LayerActivations seen = run_plainly(before_, 24).activations;
  Layer by_logits = before_, scaled = before_, swapped = before_;
  clip_weights(true, format_, config_, by_logits, seen);
  llama::Config with_scaling = config_;
  with_scaling.rope_scaling = "{}";
  EXPECT_NE(clip_weights(true, format_, with_scaling, scaled, seen).find("not computed"), std::string::npos);
  if (!before_.q_bias.empty()) {  // elsewhere the rows' own choice happens to win by logits too
    EXPECT_NE(scaled.q, by_logits.q);
  }
  EXPECT_EQ(scaled.gate, by_logits.gate);
  swapped.v = before_.k;  // as a v, k's rows would become what they became
  clip_weights(true, format_, config_, swapped, seen);
  EXPECT_EQ(scaled.k, swapped.v);
}

TEST_P(ClipLayer, WithoutCalibrationHelpsWeightsAndSaysSo) {
  Layer clipped = before_;
  EXPECT_EQ(clip_weights(true, format_, config_, clipped, {}),
            "clip: by the error of weights for q, k, v, o, gate, up, down (no inputs recorded)");
  for (auto [name, weight] : {std::pair{"q", &Layer::q},
                              {"k", &Layer::k},
                              {"v", &Layer::v},
                              {"o", &Layer::o},
                              {"gate", &Layer::gate},
                              {"up", &Layer::up},
                              {"down", &Layer::down}}) {
    const Matrix &exact = before_.*weight, plainly = quantised(exact), after = quantised(clipped.*weight);
    double old_error = 0, new_error = 0;
    for (size_t i = 0; i < exact.values.size(); ++i) {
      old_error += std::pow(static_cast<double>(plainly.values[i]) - exact.values[i], 2);
      new_error += std::pow(static_cast<double>(after.values[i]) - exact.values[i], 2);
    }
    EXPECT_LT(new_error, 0.99 * old_error) << name;
  }
}

/// Searches are slow under sanitizers: small layers, one of each kind.
std::vector<Shape> small_shapes() {
  std::vector<Shape> small{shapes()[0], shapes()[3], shapes()[5]};
  for (Shape& shape : small) {
    shape.config.hidden = 128, shape.config.intermediate = 192, shape.config.heads = 4, shape.config.head_dim = 32;
  }
  return small;
}

INSTANTIATE_TEST_SUITE_P(Shapes, ClipLayer, testing::ValuesIn(small_shapes()),
                         [](const auto& shape) { return shape.param.name; });

}  // namespace
}  // namespace qoq::transform
