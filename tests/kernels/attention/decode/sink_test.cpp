// An attention sink: the first token's key stands far above the others and its value is zero, as in real models. All
// that is left of the outputs comes from small probabilities, which a warp multiplies with small scales of values in
// fp16.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/kernels/attention/decode/trial.h"

namespace qoq::test {
namespace {

struct Sink {
  const char* name;
  const char* scheme;
  const char* point;
  double value_scale;  ///< of 4-bit codes; 8-bit steps are 17 times smaller
  double gap;          ///< nats between the sink's logit and the others
};

constexpr Sink sinks[] = {
    {"kv4_gap8", "kv4", "p64.tl64.st2.w1.rt1.rw8.sp1.tokens.kernel.fragment", 0.25, 8},
    {"kv4_gap12", "kv4", "p64.tl64.st2.w1.rt1.rw8.sp1.tokens.kernel.fragment", 0.25, 12},
    {"kv4_gap12_small", "kv4", "p64.tl64.st2.w1.rt1.rw8.sp1.tokens.kernel.fragment", 0.01, 12},
    {"kv4_gap12_two_warps", "kv4", "p64.tl32.st2.w2.rt1.rw8.sp2.heads.kernel.fragment", 0.01, 12},
    {"kv4_gap12_qserve", "kv4", "p64.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.qserve", 0.01, 12},
    {"kv8_gap8", "kv8", "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment", 0.25, 8},
    {"kv8_gap12_small", "kv8", "p64.tl32.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment", 0.01, 12},
    {"kv16_gap12", "kv16", "p64.tl16.st2.w2.rt1.rw8.sp1.tokens.kernel.fragment", 0.25, 12},
};

class DecodeSink : public testing::TestWithParam<Sink> {};

TEST_P(DecodeSink, LeavesTheOtherTokensTheirWeight) {
  const Sink& sink = GetParam();
  const auto make = [&](AttentionCase& c) {
    const bool quantized = c.problem.scheme != attention::Scheme::Kv16;
    const double step = c.problem.scheme == attention::Scheme::Kv8 ? sink.value_scale / 17 : sink.value_scale;
    double aligned = 0;
    for (size_t d = 0; d < 128; ++d) aligned += std::abs(half_to_float(c.q[d])) / std::sqrt(128.0);
    const double top = c.problem.scheme == attention::Scheme::Kv8 ? 255 : 15;
    for (size_t row = 0; quantized && row < c.v_scale.size(); ++row) {
      c.v_scale[row] = float_to_half(static_cast<float>(step));
      c.v_zero[row] = float_to_half(5);
      c.k_zero[row] = float_to_half(static_cast<float>(top / 2));
      c.k_scale[row] = float_to_half(static_cast<float>(0.3 / top));
    }
    if (quantized) c.k_scale[0] = float_to_half(static_cast<float>(sink.gap / aligned / (top / 2)));
    for (size_t i = 128; !quantized && i < c.k_codes.size(); ++i) {
      c.k_codes[i] = float_to_half(0.1f * half_to_float(c.k_codes[i]));
    }
    for (size_t d = 0; d < 128; ++d) {
      const bool positive = half_to_float(c.q[d]) > 0;
      const float key = static_cast<float>(sink.gap / aligned);
      c.k_codes[d] = quantized ? static_cast<uint16_t>(positive ? top : 0) : float_to_half(positive ? key : -key);
      c.v_codes[d] = quantized ? 5 : 0;
    }
  };
  Trial trial(sink.point, fmt::format("attention {} batch=1 heads=1/1 dh=128 ctx=1500", sink.scheme), make);
  trial.launch();
  fmt::print("{}: error {:.2e}\n", sink.name, trial.error(0, 0));
  EXPECT_LE(trial.error(0, 0), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Sinks, DecodeSink, testing::ValuesIn(sinks),
                         [](const auto& sink) { return std::string(sink.param.name); });

}  // namespace
}  // namespace qoq::test
