#include "kernels/llama/elementary.h"

#include <gtest/gtest.h>

#include <cmath>

namespace qoq::llama {
namespace {

TEST(Elementary, ExponentialsAndLogarithmsAreTheLibrarys) {
  for (double x = -700; x < 700; x += 0.37) {
    EXPECT_NEAR(exponential(x) / std::exp(x), 1, 1e-12) << x;
    if (x > 0) {
      EXPECT_NEAR(logarithm(x), std::log(x), 1e-12 * std::max(1.0, std::abs(std::log(x)))) << x;
      EXPECT_NEAR(power(x, -0.731) / std::pow(x, -0.731), 1, 1e-12) << x;
    }
  }
  for (double x = 1e-300; x < 1e300; x *= 3.3)
    EXPECT_NEAR(logarithm(x), std::log(x), 1e-12 * std::max(1.0, std::abs(std::log(x)))) << x;
}

TEST(Elementary, TheirEnds) {
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(exponential(-1e9), 0);
  EXPECT_EQ(exponential(-HUGE_VAL), 0);
  EXPECT_EQ(exponential(HUGE_VAL), HUGE_VAL);
  EXPECT_TRUE(std::isnan(exponential(NAN)));
  EXPECT_EQ(logarithm(1), 0);
  EXPECT_EQ(sine_cosine(0).cosine, 1);
}

TEST(Elementary, SinesOfLargeAngles) {
  double x = -1048576;
  for (int i = 0; i < 200'000; ++i, x += 10.4857601) {
    const SineCosine got = sine_cosine(x);
    ASSERT_NEAR(got.sine, std::sin(x), 1e-12) << x;
    ASSERT_NEAR(got.cosine, std::cos(x), 1e-12) << x;
  }
}

}  // namespace
}  // namespace qoq::llama
