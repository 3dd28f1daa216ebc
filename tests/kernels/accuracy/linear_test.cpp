// A linear layer beside the GEMM's reference: what the kernels are proven equal to.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "kernels/accuracy/quantized_linear.h"
#include "kernels/base/float16.h"
#include "kernels/gemm/reference.h"
#include "kernels/llama/product.h"
#include "kernels/qoq/activation.h"
#include "kernels/quantize/scheme.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::accuracy {
namespace {

using llama::Matrix;
using llama::test::random_matrix;
using llama::test::random_vector;

struct Form {
  const char* name;
  int group;
  bool bias;
};

class EveryForm : public testing::TestWithParam<Form> {
 protected:
  Random random_{17};
  Matrix w_ = random_matrix(96, 384, random_, 0.1F);
  Matrix x_ = random_matrix(601, 384, random_, 3);  // so many that another order of roundings shows in fp16
  std::vector<float> bias_ = GetParam().bias ? random_vector(96, random_, -1, 1) : std::vector<float>();
  transform::WeightFormat format_{GetParam().group, GroupRule::Nearest};
};

/// The operands of the reference from the linear's weights.
gemm::GemmCase case_of(const LinearWeights& weights, int group, const Matrix& x, const std::vector<float>& bias) {
  const TokenActivations a = quantize_tokens(x.values, x.rows, x.cols);
  gemm::GemmCase c;
  c.problem = {group == 0 ? gemm::Scheme::W4A8Channel : gemm::Scheme::W4A8Group,
               gemm::Output::F16,
               !bias.empty(),
               x.rows,
               weights.n,
               weights.k};
  c.a = a.q;
  c.sx = a.sx;
  c.token_sum = a.token_sum;
  if (const auto* groups = std::get_if<GroupWeights>(&weights.form)) {
    c.s1 = groups->s1;
    c.w = reconstruct_int8(groups->q4, groups->metadata, weights.n, weights.k, group);
  } else {
    const auto& channels = std::get<ChannelWeights>(weights.form);
    c.s1 = channels.s1;
    c.szero = channels.szero;
    c.w.assign(channels.q4.begin(), channels.q4.end());
  }
  for (const float b : bias) c.bias.push_back(float_to_half(b));
  return c;
}

TEST_P(EveryForm, IntegersAreTheGemmReferencesBitForBit) {
  const QuantizedLinear linear("w", w_, bias_, format_, w4a8kv4, 2);
  const Matrix got = linear.multiply(x_, 2);
  const gemm::GemmCase c = case_of(linear.weights(), GetParam().group, x_, bias_);
  const std::vector<std::byte> want = gemm::finish(c, gemm::accumulate(c, c.w));
  for (size_t i = 0; i < got.values.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, want.data() + 2 * i, 2);
    ASSERT_EQ(got.values[i], half_to_float(bits)) << i;
  }
  EXPECT_EQ(got, linear.multiply(x_, 1));
  EXPECT_EQ(linear.weights(), quantize::quantize_linear(format_, "w", w_, 1));
}

/// Each side alone, both, none: errors add up as they should, none is left out.
TEST_P(EveryForm, EitherSideMayStayInFp32) {
  const Matrix exact = llama::multiply(x_, w_, bias_);
  const auto error = [&](bool weights, bool activations) {
    const Matrix y = QuantizedLinear("w", w_, bias_, format_, {weights, activations, 16, true}, 2).multiply(x_, 2);
    double squares = 0, all = 0;
    for (size_t i = 0; i < y.values.size(); ++i) {
      squares += std::pow(static_cast<double>(y.values[i]) - static_cast<double>(exact.values[i]), 2);
      all += std::pow(static_cast<double>(exact.values[i]), 2);
    }
    return squares / all;
  };
  const double none = error(false, false), weights = error(true, false), activations = error(false, true),
               both = error(true, true);
  EXPECT_LT(none, 1e-6) << "fp16 outputs";
  EXPECT_GT(none, 0);
  EXPECT_GT(activations, 10 * none);
  EXPECT_LT(activations, 1e-3);
  EXPECT_GT(weights, 4 * activations);
  EXPECT_LT(weights, 0.05);
  EXPECT_NEAR(both, weights + activations, 0.2 * weights);
}

INSTANTIATE_TEST_SUITE_P(Accuracy, EveryForm,
                         testing::Values(Form{"g128", 128, false}, Form{"g128_bias", 128, true}, Form{"g64", 64, true},
                                         Form{"g32", 32, false}, Form{"channel", 0, false},
                                         Form{"channel_bias", 0, true}),
                         [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace qoq::accuracy
