// The CPU's word on a library's product: what it draws, what it lets pass and what it does not.
#include "autotune/baselines/gemm_proof.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "autotune/baselines/float8.h"
#include "kernels/base/float16.h"

namespace qoq::baselines {
namespace {

constexpr int m = 5, n = 32, k = 64;

std::vector<int32_t> right_sums(const GemmProof& proof) {
  std::vector<int32_t> y(m * n);
  for (size_t row = 0; row < m; ++row) {
    for (size_t column = 0; column < n; ++column) {
      for (size_t i = 0; i < k; ++i)
        y[row * n + column] +=
            static_cast<int8_t>(proof.x()[row * k + i]) * static_cast<int8_t>(proof.w()[column * k + i]);
    }
  }
  return y;
}

Check check(const GemmProof& proof, const std::vector<int32_t>& y, double tolerance = 0) {
  return proof.check(std::as_bytes(std::span(y)), tolerance);
}

TEST(GemmProof, RightSumsPassAndLoseNothingWithoutTheOperands) {
  GemmProof proof(Format::Int8, Format::Int32, m, n, k, 7);
  const std::vector<int32_t> y = right_sums(proof);
  proof.drop_operands();
  EXPECT_TRUE(proof.x().empty() && proof.w().empty());
  const Check result = check(proof, y);
  EXPECT_TRUE(result.pass) << result.message;
  EXPECT_EQ(result.max_error, 0);
}

TEST(GemmProof, OneOffIsWrongForIntegers) {
  const GemmProof proof(Format::Int8, Format::Int32, m, n, k, 7);
  std::vector<int32_t> y = right_sums(proof);
  y.back() += 1;
  const Check result = check(proof, y);
  EXPECT_FALSE(result.pass);
  EXPECT_TRUE(result.message.starts_with("y[4, 31] = ")) << result.message;
  EXPECT_TRUE(check(proof, y, 0x1p-7).pass) << "within a tolerance it passes";
}

TEST(GemmProof, ATransposedResultIsWrong) {
  const GemmProof proof(Format::Int8, Format::Int32, m, n, k, 7);
  const std::vector<int32_t> y = right_sums(proof);
  std::vector<int32_t> turned(y.size());
  for (size_t i = 0; i < y.size(); ++i) turned[i % n * m + i / n] = y[i];
  EXPECT_FALSE(check(proof, turned, 0x1p-4).pass);
}

TEST(GemmProof, AForgottenTailOfKIsWrong) {
  const GemmProof proof(Format::Int8, Format::Int32, m, n, k, 7);
  std::vector<int32_t> y = right_sums(proof);
  for (size_t i = 0; i < y.size(); ++i) {
    for (size_t j = k - 16; j < k; ++j)
      y[i] -= static_cast<int8_t>(proof.x()[i / n * k + j]) * static_cast<int8_t>(proof.w()[i % n * k + j]);
  }
  EXPECT_FALSE(check(proof, y, 0x1p-4).pass) << "even under the loosest tolerance in use";
}

TEST(GemmProof, EveryElementMustBeWritten) {
  const GemmProof proof(Format::Int8, Format::Int32, m, n, k, 7);
  std::vector<int32_t> y = right_sums(proof);
  std::memset(&y[3 * n + 9], proof.poison(), 4);
  const Check result = check(proof, y, 1);
  EXPECT_FALSE(result.pass);
  EXPECT_EQ(result.message, "1 of 160 outputs were not written, first y[3, 9]");
  y.pop_back();
  EXPECT_EQ(check(proof, y).message, "the output has 636 bytes instead of 640");
}

TEST(GemmProof, PoisonIsNoOutput) {
  const uint16_t word = 0xffff;
  EXPECT_EQ(GemmProof(Format::BF16, Format::BF16, 1, 1, 1, 1).poison(), 0xff);
  EXPECT_TRUE(std::isnan(bfloat16_to_float(word)) && std::isnan(half_to_float(word)));
  EXPECT_LT(int64_t{127} * 127 * 65536, int64_t{0x7f7f7f80}) << "the largest sum of the largest k";
}

TEST(GemmProof, NotANumberIsWrong) {
  const GemmProof proof(Format::BF16, Format::BF16, 1, 16, 16, 7);
  const std::vector<uint16_t> y(16, 0x7fc0);
  const Check result = proof.check(std::as_bytes(std::span(y)), 1);
  EXPECT_FALSE(result.pass);
  EXPECT_TRUE(std::isfinite(result.max_error));
}

template <class Value>
void expect_normal(const std::vector<std::byte>& bytes, size_t width, Value value, size_t least_distinct) {
  std::set<double> distinct;
  double sum = 0, squares = 0;
  const size_t count = bytes.size() / width;
  for (size_t i = 0; i < count; ++i) {
    const double drawn = value(bytes.data() + i * width);
    ASSERT_LE(std::abs(drawn), 4);
    distinct.insert(drawn);
    sum += drawn;
    squares += drawn * drawn;
  }
  const double samples = static_cast<double>(count);
  EXPECT_NEAR(sum / samples, 0, 0.02);
  EXPECT_NEAR(squares / samples, 1, 0.03);
  EXPECT_GE(distinct.size(), least_distinct);
}

TEST(GemmProof, DrawsWhatLooksLikeWeights) {
  const GemmProof eight(Format::E4M3, Format::BF16, 1, 256, 256, 7),
      sixteen(Format::BF16, Format::BF16, 1, 256, 256, 7);
  expect_normal(
      eight.w(), 1, [](const std::byte* at) { return e4m3_to_float(static_cast<uint8_t>(*at)); }, 80);
  expect_normal(
      sixteen.w(), 2,
      [](const std::byte* at) {
        uint16_t bits;
        std::memcpy(&bits, at, 2);
        return bfloat16_to_float(bits);
      },
      500);
  EXPECT_NE(eight.w(), GemmProof(Format::E4M3, Format::BF16, 1, 256, 256, 8).w());
}

}  // namespace
}  // namespace qoq::baselines
