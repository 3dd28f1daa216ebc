// Errors of weights and outputs, against plain definitions in doubles.
#include "kernels/quantize/errors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/base/float16.h"
#include "kernels/qoq/activation.h"
#include "kernels/quantize/scheme.h"
#include "tests/kernels/checkpoint/scratch_folder.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::quantize {
namespace {

using qoq::test::complaint;

llama::Matrix noise(int rows, int cols, uint64_t seed) {
  Random random(seed);
  return llama::test::random_matrix(rows, cols, random, 1.0F);
}

TEST(WeightErrors, AreThoseOfTheDequantisedWeights) {
  const llama::Matrix w = noise(96, 256, 1);
  for (const Scheme& scheme : schemes()) {
    SCOPED_TRACE(scheme.name);
    const LinearWeights weights = quantize_linear({scheme.group, GroupRule::Nearest}, "w", w, 1);
    const std::vector<float> stored = dequantize(weights);
    double error = 0, sum = 0, most = 0;
    for (size_t i = 0; i < stored.size(); ++i) {
      const double difference = static_cast<double>(w.values[i]) - static_cast<double>(stored[i]);
      error += difference * difference;
      sum += std::pow(static_cast<double>(w.values[i]), 2);
      most = std::max(most, std::abs(difference));
    }
    const WeightErrors errors = weight_errors(w.values, weights, 2);
    EXPECT_NEAR(errors.squared_error, error, 1e-9 * error);
    EXPECT_NEAR(errors.squared_sum, sum, 1e-9 * sum);
    EXPECT_EQ(errors.max_error, most);
    EXPECT_EQ(errors.count, stored.size());
    EXPECT_NEAR(errors.sqnr_db(), 10 * std::log10(sum / error), 1e-6);
    EXPECT_GT(errors.relative_mse(), 0.001);
    EXPECT_LT(errors.relative_mse(), 0.02);
  }
}

TEST(WeightErrors, AreTheSameOnAnyNumberOfThreads) {
  const llama::Matrix w = noise(96, 256, 2);
  const LinearWeights weights = quantize_linear({128, GroupRule::Nearest}, "w", w, 1);
  EXPECT_EQ(weight_errors(w.values, weights, 1).squared_error, weight_errors(w.values, weights, 5).squared_error);
}

TEST(WeightErrors, CountWhatAnEndCutOff) {
  llama::Matrix w = noise(32, 128, 3);
  const LinearWeights covering = quantize_linear({128, GroupRule::Covering}, "w", w, 1);
  EXPECT_EQ(weight_errors(w.values, covering, 1).clipped, 0U);
  // Five weights far beyond what the codes were made for.
  for (int i = 0; i < 5; ++i) w.row(7)[20 * i] = 10;
  const WeightErrors errors = weight_errors(w.values, covering, 1);
  EXPECT_EQ(errors.clipped, 5U);
  EXPECT_DOUBLE_EQ(errors.clipped_share(), 5.0 / (32 * 128));
}

TEST(WeightErrors, PerChannelTheRoundingOfTheZeroIsNoClipping) {
  llama::Matrix w = noise(32, 256, 4);
  for (float& value : w.values) value = value * 0.01F - 0.009F;  // z is 14 or so: fp16 rounds z·s1
  EXPECT_LT(weight_errors(w.values, quantize_linear({0, GroupRule::Nearest}, "w", w, 1), 1).clipped_share(), 0.04);
}

TEST(WeightErrors, OfExactWeightsAreNone) {
  llama::Matrix w(32, 128);
  for (size_t i = 0; i < w.values.size(); ++i) w.values[i] = static_cast<float>(i % 16) - 8;
  w.values[0] = 7;
  const WeightErrors errors = weight_errors(w.values, quantize_linear({0, GroupRule::Nearest}, "w", w, 1), 1);
  EXPECT_EQ(errors.squared_error, 0);
  EXPECT_TRUE(std::isinf(errors.sqnr_db()));
}

/// ŷ by its definition: int8 activations, int32 sums, one rounding a step and the last to fp16.
double plain_output_error(const llama::Matrix& x, const llama::Matrix& w, const LinearWeights& weights) {
  const TokenActivations tokens = quantize_tokens(x.values, x.rows, x.cols);
  const auto* groups = std::get_if<GroupWeights>(&weights.form);
  double error = 0, sum = 0;
  for (int m = 0; m < x.rows; ++m) {
    for (int n = 0; n < w.rows; ++n) {
      int64_t integer = 0;
      double exact = 0;
      for (int k = 0; k < w.cols; ++k) {
        const size_t at = static_cast<size_t>(n) * static_cast<size_t>(w.cols) + static_cast<size_t>(k);
        int code = 0;
        if (groups != nullptr) {
          const size_t slot =
              static_cast<size_t>(k / groups->group) * static_cast<size_t>(w.rows) + static_cast<size_t>(n);
          code = groups->q4[at] * groups->metadata.scale[slot] + groups->metadata.offset[slot];
        } else {
          code = std::get<ChannelWeights>(weights.form).q4[at];
        }
        integer += code * tokens.q[static_cast<size_t>(m) * static_cast<size_t>(w.cols) + static_cast<size_t>(k)];
        exact += static_cast<double>(x.row(m)[k]) * static_cast<double>(w.row(n)[k]);
      }
      const auto row = static_cast<size_t>(m), column = static_cast<size_t>(n);
      const float s1 = std::visit([&](const auto& f) { return half_to_float(f.s1[column]); }, weights.form);
      float y = static_cast<float>(integer) * (s1 * half_to_float(tokens.sx[row]));
      if (groups == nullptr)
        y -= half_to_float(std::get<ChannelWeights>(weights.form).szero[column]) * tokens.token_sum[row];
      error += std::pow(exact - static_cast<double>(half_to_float(float_to_half(y))), 2);
      sum += exact * exact;
    }
  }
  return error / sum;
}

TEST(OutputErrors, AreThoseOfTheIntegerGemm) {
  const llama::Matrix w = noise(160, 256, 5), x = noise(7, 256, 6);  // 160: not a whole number of blocks of columns
  for (const Scheme& scheme : schemes()) {
    SCOPED_TRACE(scheme.name);
    const LinearWeights weights = quantize_linear({scheme.group, GroupRule::Nearest}, "w", w, 1);
    const double expected = plain_output_error(x, w, weights);
    const OutputErrors errors = output_errors(x, w.values, x, weights, 2);
    EXPECT_NEAR(errors.relative_mse(), expected, 1e-4 * expected);
    EXPECT_EQ(errors.squared_error, output_errors(x, w.values, x, weights, 1).squared_error);
    // Random errors of weights weigh in outputs as they do in weights; int8 activations add little.
    EXPECT_NEAR(errors.relative_mse(), weight_errors(w.values, weights, 1).relative_mse(), 0.3 * expected);
  }
}

TEST(OutputErrors, RefuseSizesThatDisagree) {
  const llama::Matrix w = noise(32, 128, 7), x = noise(3, 64, 8);
  const LinearWeights weights = quantize_linear({128, GroupRule::Nearest}, "w", w, 1);
  complaint(Fault::Input, [&] { output_errors(x, w.values, x, weights, 1); });
  complaint(Fault::Input, [&] { weight_errors(std::span(w.values).first(100), weights, 1); });
}

TEST(Inputs, AreSampledEvenlyOrNormal) {
  llama::Matrix x(10, 2);
  for (int i = 0; i < 10; ++i) x.row(i)[0] = static_cast<float>(i);
  const llama::Matrix four = sampled_rows(x, 4);
  ASSERT_EQ(four.rows, 4);
  EXPECT_EQ(four.row(1)[0], 2);
  EXPECT_EQ(four.row(3)[0], 7);
  EXPECT_EQ(sampled_rows(x, 10), x);
  const llama::Matrix random = random_inputs(50, 200, 1);
  double sum = 0, squares = 0;
  for (const float value : random.values) sum += value, squares += static_cast<double>(value) * value;
  EXPECT_NEAR(sum / 10000, 0, 0.05);
  EXPECT_NEAR(squares / 10000, 1, 0.05);
  EXPECT_EQ(random, random_inputs(50, 200, 1));
}

TEST(Schemes, RefuseShapesTheyCannotHold) {
  const auto said = [](const char* scheme, int n, int k) {
    return complaint(Fault::Input, [&] { check_shape(scheme_named(scheme), "down", n, k); });
  };
  EXPECT_EQ(said("w4a8-g128", 128, 192), "down: K=192 is not a multiple of the group of 128, which w4a8-g128 needs");
  EXPECT_EQ(said("w4a8-channel", 128, 100), "down: K=100 is not a multiple of 32, which w4a8-channel needs");
  EXPECT_EQ(said("w4a8-g32", 100, 128), "down: N=100 is not a multiple of 32, which packed weights need");
  check_shape(scheme_named("w4a8-g64"), "down", 32, 192);
  EXPECT_NE(complaint(Fault::Input, [] { scheme_named("w4a16"); }).find("w4a8-g64"), std::string::npos);
  EXPECT_NE(complaint(Fault::Input, [] { rule_named("best"); }).find("least-error"), std::string::npos);
}

}  // namespace
}  // namespace qoq::quantize
