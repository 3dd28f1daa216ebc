// A whole small model keeps its logits, and the proof that the driver runs on every layer sees what is wrong.
#include "kernels/transform/proof.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/llama/forward.h"
#include "kernels/llama/synthesis.h"
#include "tests/kernels/transform/plain_layer.h"

namespace qoq::transform {
namespace {

using namespace plain;

constexpr double most = 1e-4;  // the issue's

llama::Model random_model(Config config, bool tied) {
  config.layers = 3;
  config.vocab = 64;
  config.tied = tied;
  llama::Model model{config, {}, {}};
  Random random(5);
  const auto rows = [&] {
    Matrix m(config.vocab, config.hidden);
    for (float& value : m.values) value = random.uniform(-1, 1);
    return m;
  };
  model.ends.embedding = rows();
  if (!tied) model.ends.head = rows();
  for (int i = 0; i < config.hidden; ++i) model.ends.final_norm.push_back(random.uniform(0.2F, 2));
  for (uint64_t i = 0; i < 3; ++i) model.layers.push_back(random_layer(config, 100 + i));
  return model;
}

std::vector<int> some_tokens(int count) {
  std::vector<int> ids;
  for (int i = 0; i < count; ++i) ids.push_back(i * 37 % 64);
  return ids;
}

class WholeModel : public testing::TestWithParam<Shape> {};

/// With calibration and without, tied and not: logits are not rotated, so they must come out as they were.
TEST_P(WholeModel, KeepsItsLogits) {
  const std::vector<int> ids = some_tokens(12), positions = llama::count_positions(12);
  for (const bool tied : {false, true}) {
    const llama::Model before = random_model(GetParam().config, tied);
    std::vector<LayerActivations> recorded;
    const Matrix wanted = llama::forward(before, ids, positions, &recorded);
    for (const bool calibrated : {true, false}) {
      llama::Model after = before;
      const WeightFormat format{64};
      transform_ends(qoq_recipe(format), after.ends);
      EXPECT_NE(after.ends.embedding, before.ends.embedding);
      for (size_t i = 0; i < after.layers.size(); ++i) {
        LayerActivations seen = calibrated ? recorded[i] : LayerActivations{};
        const Proof proof(before.config, after.layers[i]);
        transform_layer(qoq_recipe(format), format, before.config, after.layers[i], seen);
        EXPECT_LT(proof.difference(qoq_recipe(format), after.layers[i]), most);
      }
      after.config.tied = false;  // the final norm's gain is in the head now
      EXPECT_LT(difference(llama::forward(after, ids, positions), wanted), most);
    }
  }
}

/// The rows of a vocabulary can be transformed block by block.
TEST_P(WholeModel, TransformsItsEndsInBlocks) {
  const llama::Model model = random_model(GetParam().config, true);
  llama::Ends whole = model.ends;
  transform_ends(qoq_recipe({}), whole);
  for (int first = 0; first < 64; first += 24) {
    Matrix block(std::min(24, 64 - first), model.config.hidden);
    std::copy_n(model.ends.embedding.row(first), block.values.size(), block.values.begin());
    Matrix head = block;
    transform_embedding(qoq_recipe({}), block);
    transform_head(qoq_recipe({}), model.ends.final_norm, head);
    EXPECT_TRUE(std::equal(block.values.begin(), block.values.end(), whole.embedding.row(first)));
    EXPECT_TRUE(std::equal(head.values.begin(), head.values.end(), whole.head.row(first)));
  }
}

TEST_P(WholeModel, StaysAsItIsWithoutRotation) {
  const llama::Model model = random_model(GetParam().config, true);
  llama::Ends ends = model.ends;
  transform_ends(rtn_recipe(), ends);
  EXPECT_EQ(ends, model.ends);
  Layer layer = model.layers[0];
  LayerActivations none;
  EXPECT_TRUE(transform_layer(rtn_recipe(), {}, model.config, layer, none).empty());
  EXPECT_TRUE(clip_layer(rtn_recipe(), {}, model.config, layer, none).empty());
  EXPECT_EQ(layer, model.layers[0]);
  EXPECT_EQ(Proof(model.config, model.layers[0]).difference(rtn_recipe(), layer), 0);
}

/// One fold left out or done wrongly is seen, whichever part it is in.
TEST_P(WholeModel, IsProvenWrongByAnyBrokenFold) {
  const Config config = GetParam().config;
  const Layer before = random_layer(config, 9);
  const Proof proof(config, before);
  Layer good = before;
  LayerActivations none;
  const Recipe recipe = qoq_recipe({});
  transform_layer(recipe, {}, config, good, none);
  EXPECT_LT(proof.difference(recipe, good), 1e-5);

  const auto seen = [&](const char* what, const auto& damage) {
    Layer broken = good;
    damage(broken);
    EXPECT_GT(proof.difference(recipe, broken), most) << what;
  };
  seen("rotation", [&](Layer& l) { l.down = before.down; });
  seen("norm", [&](Layer& l) { l.ffn_norm = before.ffn_norm; });
  seen("one row of q", [](Layer& l) { l.q.row(1)[0] += 10; });
  seen("one row of up", [](Layer& l) { std::fill_n(l.up.row(2), l.up.cols, 0.0F); });
  seen("values permuted without o", [&](Layer& l) { std::swap_ranges(l.v.row(0), l.v.row(1), l.v.row(1)); });
  seen("not a number", [](Layer& l) { l.o.row(0)[0] = std::numeric_limits<float>::quiet_NaN(); });
  // λ of one channel of a RoPE pair alone, in q and k alike: the same at position 0, wrong from position 1 on.
  seen("half a RoPE pair", [&](Layer& l) {
    if (!l.q_norm.empty()) {
      l.q_norm[0] *= 2, l.k_norm[0] /= 2;
      return;
    }
    for (int head = 0; head < config.group(); ++head) {
      const int row = head * config.head_dim;
      for (int c = 0; c < l.q.cols; ++c) l.q.row(row)[c] *= 2;
      if (!l.q_bias.empty()) l.q_bias[static_cast<size_t>(row)] *= 2;
    }
    for (int c = 0; c < l.k.cols; ++c) l.k.row(0)[c] /= 2;
    if (!l.k_bias.empty()) l.k_bias[0] /= 2;
  });
  EXPECT_GT(proof.difference(rtn_recipe(), good), most) << "a stream that turned though the recipe says it did not";
}

class Synthetic : public testing::TestWithParam<std::tuple<llama::Family, double>> {};

/// The model that the quantizer is studied on, with outliers of any strength: all of QoQ but clipping changes its
/// logits by no more than the issue allows.
TEST_P(Synthetic, KeepsItsLogits) {
  const auto [family, outliers] = GetParam();
  llama::Config config = llama::synthetic_config(family);
  config.layers = 2;
  const llama::Model before = llama::synthesize(config, 3, outliers);
  const int count = 24;
  const std::vector<int> ids = llama::draw_tokens(before.config.vocab, count, 4);
  const std::vector<int> positions = llama::repeat_positions(12, count);
  std::vector<LayerActivations> recorded_layers;
  const Matrix wanted = llama::forward(before, ids, positions, &recorded_layers);
  llama::Model after = before;
  transform_ends(qoq_recipe({}), after.ends);
  for (size_t i = 0; i < after.layers.size(); ++i) {
    const Proof proof(before.config, after.layers[i]);
    transform_layer(qoq_recipe({}), {}, before.config, after.layers[i], recorded_layers[i]);
    EXPECT_LT(proof.difference(qoq_recipe({}), after.layers[i]), most);
  }
  const double off = difference(llama::forward(after, ids, positions), wanted);
  EXPECT_LT(off, most);
  RecordProperty("relative_error_of_logits", std::to_string(off * 1e6) + "e-6");
}

INSTANTIATE_TEST_SUITE_P(Models, Synthetic,
                         testing::Values(std::tuple{llama::Family::Llama, 300.0}, std::tuple{llama::Family::Qwen2, 1.0},
                                         std::tuple{llama::Family::Qwen3, 300.0}),
                         [](const auto& model) { return llama::family_name(std::get<0>(model.param)); });

/// The forward does not compute it, and no fold depends on the angles.
TEST(Proof, NeedsNoRopeScaling) {
  Config config = shapes()[0].config;
  config.rope_scaling = R"({"rope_type": "llama3", "factor": 8})";
  const Layer layer = random_layer(config, 9);
  EXPECT_EQ(Proof(config, layer).difference(rtn_recipe(), layer), 0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, WholeModel, testing::ValuesIn(shapes()),
                         [](const auto& shape) { return shape.param.name; });

}  // namespace
}  // namespace qoq::transform
