// Attention through the cache beside the attention reference and beside plain attention.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/accuracy/cached_attention.h"
#include "kernels/attention/reference.h"
#include "kernels/base/float16.h"
#include "kernels/llama/attention.h"
#include "tests/kernels/llama/tiny_model.h"

namespace qoq::accuracy {
namespace {

using llama::Matrix;

llama::Config heads_of(int heads, int kv_heads, int head_dim) {
  llama::Config config;
  config.heads = heads;
  config.kv_heads = kv_heads;
  config.head_dim = head_dim;
  return config;
}

struct Operands {
  explicit Operands(const llama::Config& config, int tokens) {
    Random random(5);
    q = llama::test::random_matrix(tokens, config.q_width(), random, 2);
    k = llama::test::random_matrix(tokens, config.kv_width(), random, 1);
    v = llama::test::random_matrix(tokens, config.kv_width(), random, 1);
    for (int t = 0; t < tokens; ++t) {
      k.row(t)[3] *= 8;  // a key channel that stands out
      v.row(t)[1] += 2;
    }
  }
  Matrix q, k, v;
};

/// The decode step of a sequence's last token, every token in the cache.
attention::AttentionCase decode_case(const llama::Config& config, const Operands& all, int bits) {
  attention::AttentionCase c;
  c.problem.scheme = bits == 4 ? attention::Scheme::Kv4 : attention::Scheme::Kv8;
  c.problem.q_heads = config.heads;
  c.problem.kv_heads = config.kv_heads;
  c.problem.head_dim = config.head_dim;
  c.problem.lengths = {all.q.rows};
  c.first_token = {0};
  const float* last = all.q.row(all.q.rows - 1);
  for (int i = 0; i < config.q_width(); ++i) c.q.push_back(float_to_half(last[i]));
  for (int t = 0; t < all.q.rows; ++t) {
    for (int head = 0; head < config.kv_heads; ++head) {
      const auto store = [&](const Matrix& m, auto& codes, auto& scale, auto& zero) {
        const float* first = m.row(t) + head * config.head_dim;
        std::vector<float> row(first, first + config.head_dim);
        for (float& x : row) x = half_to_float(float_to_half(x));
        const KvRow stored = quantize_kv(row, bits);
        codes.insert(codes.end(), stored.codes.begin(), stored.codes.end());
        scale.push_back(stored.scale);
        zero.push_back(stored.zero);
      };
      store(all.k, c.k_codes, c.k_scale, c.k_zero);
      store(all.v, c.v_codes, c.v_scale, c.v_zero);
    }
  }
  return c;
}

TEST(CachedAttention, ItsLastRowIsTheReferencesDecodeStep) {
  for (const int bits : {4, 8}) {
    for (const auto& config : {heads_of(4, 2, 64), heads_of(3, 3, 128), heads_of(8, 1, 64)}) {
      const int tokens = 150;
      const Operands all(config, tokens);
      const std::vector<int> starts(static_cast<size_t>(tokens), 0);
      const Numerics numerics{true, true, bits, false};
      const Matrix got = attend_cached(config, numerics, all.q, all.k, all.v, starts, 2);
      std::vector<double> want, log_sum;
      attention::compute_reference(decode_case(config, all, bits), false, want, log_sum);
      for (int i = 0; i < config.q_width(); ++i) {
        const float rounded = half_to_float(float_to_half(static_cast<float>(want[static_cast<size_t>(i)])));
        // The sums are the same but for the order in which blocks of tokens are added: a result next to a tie of fp16
        // may fall to either side.
        ASSERT_NEAR(got.row(tokens - 1)[i], rounded, std::abs(rounded) * 0x1p-10F) << bits << " " << i;
      }
    }
  }
}

TEST(CachedAttention, ExactCachesArePlainAttention) {
  const llama::Config config = heads_of(4, 2, 64);
  const Operands all(config, 70);
  std::vector<int> starts(70, 0);
  std::fill(starts.begin() + 30, starts.end(), 30);
  const Matrix got = attend_cached(config, fp16, all.q, all.k, all.v, starts, 2);
  const Matrix want = llama::attend(config, all.q, all.k, all.v, starts);
  for (size_t i = 0; i < got.values.size(); ++i) ASSERT_NEAR(got.values[i], want.values[i], 5e-3) << i;
}

/// The rows as the cache gives them back.
Matrix through_cache(const llama::Config& config, const Matrix& m) {
  Matrix out = m;
  for (int t = 0; t < m.rows; ++t) {
    for (int head = 0; head < config.kv_heads; ++head) {
      float* row = out.row(t) + head * config.head_dim;
      for (int d = 0; d < config.head_dim; ++d) row[d] = half_to_float(float_to_half(row[d]));
      const std::vector<float> back =
          dequantize_kv(quantize_kv(std::span(row, static_cast<size_t>(config.head_dim)), 4), 4);
      std::copy(back.begin(), back.end(), row);
    }
  }
  return out;
}

TEST(CachedAttention, TheNewestKeyAndValueAreTheUnquantisedOnes) {
  const llama::Config config = heads_of(4, 2, 64);
  const int tokens = 6, last = 5;
  const Operands all(config, tokens);
  const std::vector<int> starts(tokens, 0);
  const Matrix got = attend_cached(config, w4a8kv4, all.q, all.k, all.v, starts, 1);
  const auto error = [&](bool exact_key, bool exact_value) {
    Matrix k = through_cache(config, all.k), v = through_cache(config, all.v);
    if (exact_key) std::copy_n(all.k.row(last), k.cols, k.row(last));
    if (exact_value) std::copy_n(all.v.row(last), v.cols, v.row(last));
    const Matrix want = llama::attend(config, all.q, k, v, starts);
    float largest = 0;
    for (int i = 0; i < want.cols; ++i) largest = std::max(largest, std::abs(got.row(last)[i] - want.row(last)[i]));
    return largest;
  };
  EXPECT_LT(error(true, true), 3e-3F);
  EXPECT_GT(error(false, true), 1e-2F);
  EXPECT_GT(error(true, false), 1e-2F);
}

TEST(CachedAttention, OnlyEarlierTokensComeFromTheCache) {
  const llama::Config config = heads_of(4, 2, 64);
  const Operands all(config, 5);
  // Each row begins a sequence: its only token is the newest.
  const std::vector<int> alone{0, 1, 2, 3, 4};
  const Numerics stored{true, true, 4, false};
  const Matrix exact = attend_cached(config, w4a8kv4, all.q, all.k, all.v, alone, 1);
  for (int t = 0; t < 5; ++t) {
    for (int i = 0; i < config.q_width(); ++i) {
      const float v = all.v.row(t)[i / config.head_dim / 2 * config.head_dim + i % config.head_dim];
      ASSERT_EQ(exact.row(t)[i], half_to_float(float_to_half(v)));
    }
  }
  EXPECT_NE(exact, attend_cached(config, stored, all.q, all.k, all.v, alone, 1));
  // Behind it, earlier tokens are in 4 bits either way.
  const std::vector<int> together(5, 0);
  const Matrix through = attend_cached(config, w4a8kv4, all.q, all.k, all.v, together, 1);
  EXPECT_NE(through, attend_cached(config, fp16, all.q, all.k, all.v, together, 1));
  EXPECT_EQ(through, attend_cached(config, w4a8kv4, all.q, all.k, all.v, together, 3)) << "threads";
}

}  // namespace
}  // namespace qoq::accuracy
