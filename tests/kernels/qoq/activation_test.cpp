#include "kernels/qoq/activation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/random.h"

namespace qoq {
namespace {

TEST(QuantizeTokens, ByHand) {
  // amax = 254, sx = 2: ties 0.5 → 0, 1.5 → 2, −2.5 → −2. The second token is zero.
  const TokenActivations out = quantize_tokens(std::vector<float>{-254, 1, 3, -5, 100, 0, 0, -0.0f, 0, 0}, 2, 5);
  EXPECT_EQ(out.q, (std::vector<int8_t>{-127, 0, 2, -2, 50, 0, 0, 0, 0, 0}));
  EXPECT_EQ(out.sx, (std::vector<uint16_t>{float_to_half(2.0f), 1}));
  EXPECT_EQ(out.token_sum, (std::vector<float>{-154.0f, 0.0f}));
  EXPECT_EQ(out.quantised_sum, (std::vector<int32_t>{-77, 0}));
}

TEST(QuantizeTokens, ErrorIsHalfAStepAndWhatFp16Takes) {
  Random random(1);
  std::vector<float> x(16 * 300);
  for (float& value : x) value = random.uniform(-3.0f, 4.0f);
  const TokenActivations out = quantize_tokens(x, 16, 300);
  for (size_t i = 0; i < x.size(); ++i) {
    const float scale = half_to_float(out.sx[i / 300]);
    ASSERT_NEAR(static_cast<float>(out.q[i]) * scale, x[i], scale * (0.501f + 127 * 0x1p-11f));
  }
}

/// Per channel, Σ q4·q·sx − z·token_sum must be Σ (q4 − z)·q·sx: a sum of x before rounding is not that.
TEST(QuantizeTokens, TheSumIsOfTheCodes) {
  Random random(2);
  std::vector<float> x(8 * 256);
  for (float& value : x) value = random.uniform(-0.01f, 1.0f) * (random.next() % 50 == 0 ? 40.0f : 1.0f);
  const TokenActivations out = quantize_tokens(x, 8, 256);
  for (size_t token = 0; token < 8; ++token) {
    double sum = 0, before = 0;
    for (size_t i = token * 256; i < (token + 1) * 256; ++i) {
      sum += double{half_to_float(out.sx[token])} * out.q[i];
      before += double{x[i]};
    }
    EXPECT_EQ(out.token_sum[token], static_cast<float>(sum));
    EXPECT_NE(out.token_sum[token], static_cast<float>(before));
  }
}

TEST(QuantizeTokens, TokensBelowFp16AreZeroAndOthersAreRefused) {
  EXPECT_EQ(quantize_tokens(std::vector<float>{1e-9f, -1e-9f}, 1, 2).q, (std::vector<int8_t>{0, 0}));
  EXPECT_THROW(quantize_tokens(std::vector<float>{1e8f}, 1, 1), Error);
  EXPECT_THROW(quantize_tokens(std::vector<float>{1.0f, 2.0f}, 1, 3), Error);
  try {
    quantize_tokens(std::vector<float>{1.0f, 2.0f, 3.0f, -INFINITY}, 2, 2);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "activation m=1 k=1 is -inf: only finite values can be quantised");
  }
}

}  // namespace
}  // namespace qoq
