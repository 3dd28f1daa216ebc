// Whole models: what is and is not in few bits, and the numbers that are made of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/accuracy/agreement.h"
#include "kernels/accuracy/quantized_model.h"
#include "kernels/accuracy/study.h"
#include "kernels/base/error.h"
#include "kernels/llama/forward.h"
#include "kernels/llama/synthesis.h"
#include "kernels/quantize/linears.h"
#include "kernels/quantize/scheme.h"

namespace qoq::accuracy {
namespace {

using llama::Matrix;

struct Small {
  explicit Small(llama::Family family, double outliers = 16) {
    llama::Config config = llama::synthetic_config(family);
    config.hidden = 128;
    config.intermediate = 256;
    config.layers = 2;
    config.heads = 4;
    config.vocab = 128;
    model = llama::synthesize(config, 3, outliers);
    reference = llama::forward(model, tokens, positions);
    llama::forward(model, llama::draw_tokens(128, 64, 8), llama::repeat_positions(32, 64), &calibration);
  }
  Matrix run(const transform::Recipe& recipe, const Numerics& numerics, int group = 128, int threads = 2) const {
    return forward(quantize_model(prepare_model(model, recipe, {group, GroupRule::Nearest}, calibration, threads),
                                  numerics, threads),
                   tokens, positions, threads);
  }
  std::vector<int> tokens = llama::draw_tokens(128, 96, 7), positions = llama::repeat_positions(48, 96);
  llama::Model model;
  Matrix reference;
  std::vector<llama::LayerActivations> calibration;
};

class EveryModel : public testing::TestWithParam<llama::Family> {};

TEST_P(EveryModel, InSixteenBitsItIsTheFp32Forward) {
  const Small small(GetParam());
  const Agreement a = agreement(small.reference, small.run(transform::rtn_recipe(), fp16));
  EXPECT_GT(a.cosine, 0.99999);
  EXPECT_LT(a.kl, 1e-3);
  EXPECT_GT(a.kl, 0) << "fp16 is not fp32";
  EXPECT_EQ(a.positions, 96);
}

TEST_P(EveryModel, TransformsAloneKeepTheFunction) {
  const Small small(GetParam());
  for (const int group : {128, 0}) {
    const Agreement a =
        agreement(small.reference, small.run(transform::qoq_recipe({group, GroupRule::Nearest}), fp16, group));
    EXPECT_GT(a.cosine, 0.99999) << group;
    EXPECT_LT(a.kl, 1e-3) << group;
  }
}

/// 4-bit weights alone are the fp32 forward of what the codes stand for, but for fp16 in between.
TEST_P(EveryModel, WeightsAloneAreTheDequantisedModels) {
  const Small small(GetParam());
  llama::Model stands_for = small.model;
  const llama::Config& c = small.model.config;
  for (llama::Layer& layer : stands_for.layers) {
    const auto through = [&](const char* name) {
      const Matrix w = quantize::fused(layer, name);
      return quantize::dequantize(quantize::quantize_linear({128, GroupRule::Nearest}, name, w, 1));
    };
    const std::vector<float> qkv = through("qkv"), gate_up = through("gate_up");
    auto from = qkv.begin();
    for (Matrix* part : {&layer.q, &layer.k, &layer.v}) {
      std::copy_n(from, part->values.size(), part->values.begin());
      from += static_cast<std::ptrdiff_t>(part->values.size());
    }
    std::copy_n(gate_up.begin(), layer.gate.values.size(), layer.gate.values.begin());
    std::copy(gate_up.begin() + static_cast<std::ptrdiff_t>(layer.gate.values.size()), gate_up.end(),
              layer.up.values.begin());
    layer.o.values = through("o");
    layer.down.values = through("down");
  }
  const Matrix want = llama::forward(stands_for, small.tokens, small.positions);
  const Matrix got = small.run(transform::rtn_recipe(), {true, false, 16, true});
  const Agreement a = agreement(want, got);
  EXPECT_GT(a.cosine, 0.99999) << c.layers;
  EXPECT_LT(agreement(small.reference, got).cosine, 0.9995) << "which is not the model itself";
}

TEST_P(EveryModel, BitsDoNotDependOnThreadsNorOnLaterTokens) {
  const Small small(GetParam());
  const PreparedModel prepared =
      prepare_model(small.model, transform::rtn_recipe(), {128, GroupRule::Nearest}, small.calibration, 2);
  const QuantizedModel model = quantize_model(prepared, w4a8kv4, 2);
  const Matrix one = forward(model, small.tokens, small.positions, 1);
  EXPECT_EQ(one, forward(model, small.tokens, small.positions, 3));
  const Matrix prefix = forward(model, std::span(small.tokens).first(20), std::span(small.positions).first(20), 2);
  EXPECT_TRUE(std::equal(prefix.values.begin(), prefix.values.end(), one.values.begin()));
}

INSTANTIATE_TEST_SUITE_P(Accuracy, EveryModel,
                         testing::Values(llama::Family::Llama, llama::Family::Qwen2, llama::Family::Qwen3),
                         [](const auto& instance) { return family_name(instance.param); });

TEST(Accuracy, EveryPartOfTheNumericsCosts) {
  const Small small(llama::Family::Llama);
  const auto kl = [&](const Numerics& numerics) {
    return agreement(small.reference, small.run(transform::rtn_recipe(), numerics)).kl;
  };
  const double nothing = kl(fp16), weights = kl({true, false, 16, true}), activations = kl({false, true, 16, true}),
               cache = kl({false, false, 4, true}), cache8 = kl({false, false, 8, true}),
               newest = kl({false, false, 4, false}), all = kl(w4a8kv4);
  for (const double part : {weights, activations, cache}) {
    EXPECT_GT(part, 10 * nothing);
    EXPECT_LT(part, 1.2 * all);
  }
  EXPECT_LT(cache8, 0.1 * cache);
  EXPECT_GT(newest, cache) << "a token's own key and value in 4 bits too";
}

TEST(Agreement, OfHandmadeLogits) {
  Matrix want(2, 2), got(2, 2);
  want.values = {0, std::log(3.0F), 1, 0};
  got.values = {std::log(3.0F), 0, 2, 0};
  const Agreement a = agreement(want, got);
  // p = (1/4, 3/4) against (3/4, 1/4): KL = ½ ln 3. p = (σ, 1 − σ) of 1 against 2.
  const double p = 1 / (1 + std::exp(-1.0)), q = 1 / (1 + std::exp(-2.0));
  const double second = p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q));
  EXPECT_NEAR(a.kl, (0.5 * std::log(3.0) + second) / 2, 1e-6);
  EXPECT_NEAR(a.cosine, (0 + 1) / 2.0, 1e-6);
  EXPECT_EQ(a.top1, 0.5);
  EXPECT_NEAR(a.entropy,
              (0.25 * std::log(4.0) + 0.75 * std::log(4.0 / 3) - p * std::log(p) - (1 - p) * std::log(1 - p)) / 2,
              1e-6);
  EXPECT_EQ(a.positions, 2);
  EXPECT_NEAR(agreement(want, want).kl, 0, 1e-12);
  EXPECT_EQ(agreement(want, want).top1, 1);
  EXPECT_THROW(agreement(want, Matrix(2, 3)), Error);
}

TEST(Study, CalibrationOfAnotherModelIsRefused) {
  const Small small(llama::Family::Llama);
  EXPECT_THROW(prepare_model(small.model, transform::rtn_recipe(), {128, GroupRule::Nearest}, {}, 1), Error);
}

TEST(Study, WaysAreSubjectsTimesWaysAndQoqBeatsRoundingAtOutliers) {
  Subject subject{"small", 32, 1, Small(llama::Family::Llama, 32).model};
  std::vector<Way> some;
  for (const Way& way : ways(false)) {
    if (way.name == "rtn" || way.name == "qoq" || way.name == "fp16") some.push_back(way);
  }
  ASSERT_EQ(some.size(), 5u);
  std::vector<std::string> heard;
  const StudySettings settings{96, 48, 96, 2};
  const auto rows =
      run_study(std::span(&subject, 1), some, settings, [&](const std::string& what) { heard.push_back(what); });
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(heard.size(), 5u);
  for (size_t i : {1u, 3u}) {
    EXPECT_EQ(rows[i].way, "rtn");
    EXPECT_EQ(rows[i + 1].way, "qoq");
    EXPECT_EQ(rows[i].scheme, rows[i + 1].scheme);
    EXPECT_LT(rows[i + 1].agreement.kl, rows[i].agreement.kl) << rows[i].scheme;
    EXPECT_EQ(rows[i].proof, 0);
    EXPECT_GT(rows[i + 1].proof, 0);
    EXPECT_LT(rows[i + 1].proof, 1e-4);
  }
  std::stop_source source;
  source.request_stop();
  EXPECT_TRUE(run_study(
                  std::span(&subject, 1), some, settings, [](const std::string&) {}, source.get_token())
                  .empty());
}

TEST(Study, AblationHasEveryTransformOnAndOff) {
  std::vector<std::string> names;
  for (const Way& way : ways(true)) {
    if (way.scheme.group == 128) names.push_back(way.name);
  }
  for (const char* transform : {"rotation", "smooth-attention", "smooth-outputs", "reorder", "clip"}) {
    EXPECT_NE(std::ranges::find(names, std::string("rtn + ") + transform), names.end()) << transform;
    EXPECT_NE(std::ranges::find(names, std::string("qoq - ") + transform), names.end()) << transform;
  }
}

}  // namespace
}  // namespace qoq::accuracy
