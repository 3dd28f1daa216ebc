// What a cache of 4 or 8 bits costs in accuracy by itself: attention on the quantised cache beside attention on the
// values it was made from, both in fp64. A property of the format, not of a kernel: reported here, in no kernel's
// tolerance.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/attention/reference.h"
#include "kernels/base/float16.h"
#include "kernels/base/random.h"
#include "kernels/qoq/kv_cache.h"

namespace qoq::attention {
namespace {

/// About normal: the sum of twelve uniforms.
float normal(Random& random) {
  float sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.uniform(0, 1);
  return sum;
}

AttentionProblem problem(const char* scheme) {
  return AttentionProblem::parse(
      Problem::parse(fmt::format("attention {} batch=4 heads=8/2 dh=128 ctx=64,256,1024,4096", scheme)));
}

/// fp16 keys and values, normal; every 16th channel of the keys `outlier` times larger, as models have them.
AttentionCase original(float outlier) {
  AttentionCase c = make_attention_case(problem("kv16"), 1);
  Random random(2);
  for (size_t i = 0; i < c.k_codes.size(); ++i) {
    c.k_codes[i] = float_to_half(normal(random) * (i % 16 == 5 ? outlier : 1));
    c.v_codes[i] = float_to_half(normal(random));
  }
  return c;
}

void quantize(const std::vector<uint16_t>& from, int bits, std::vector<uint16_t>& codes, std::vector<uint16_t>& scale,
              std::vector<uint16_t>& zero) {
  for (size_t row = 0; row < from.size() / 128; ++row) {
    std::vector<float> x(128);
    for (size_t d = 0; d < 128; ++d) x[d] = half_to_float(from[row * 128 + d]);
    const KvRow quantized = quantize_kv(x, bits);
    std::copy(quantized.codes.begin(), quantized.codes.end(), codes.begin() + static_cast<std::ptrdiff_t>(row * 128));
    scale[row] = quantized.scale;
    zero[row] = quantized.zero;
  }
}

/// ‖attention on the quantised cache − on the original‖ / ‖on the original‖.
double error(const AttentionCase& exact, const char* scheme) {
  AttentionCase c = make_attention_case(problem(scheme), 1);
  c.q = exact.q;
  quantize(exact.k_codes, bits(c.problem.scheme), c.k_codes, c.k_scale, c.k_zero);
  quantize(exact.v_codes, bits(c.problem.scheme), c.v_codes, c.v_scale, c.v_zero);
  double difference = 0, size = 0;
  for (size_t i = 0; i < exact.output(false).size(); ++i) {
    difference += std::pow(c.output(false)[i] - exact.output(false)[i], 2);
    size += std::pow(exact.output(false)[i], 2);
  }
  return std::sqrt(difference / size);
}

TEST(KvQuantization, ItsErrorIsReported) {
  for (const float outlier : {1.0f, 4.0f, 10.0f}) {
    const AttentionCase exact = original(outlier);
    const double kv8 = error(exact, "kv8"), kv4 = error(exact, "kv4");
    fmt::print("key outliers × {}: relative error of attention's outputs: kv8 {:.4f}, kv4 {:.4f}\n", outlier, kv8, kv4);
    EXPECT_GT(kv8, 0);
    EXPECT_LT(kv8, 0.1);
    EXPECT_GT(kv4, 4 * kv8) << "sixteen times fewer steps";
    EXPECT_LT(kv4, 1);
  }
}

}  // namespace
}  // namespace qoq::attention
