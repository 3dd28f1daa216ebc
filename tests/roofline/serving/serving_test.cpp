// Serving arithmetic on made-up kernels whose sums can be checked on paper.
#include "roofline/serving/serving.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"

namespace qoq::roofline {
namespace {

/// Llama-3-8B.
ModelShape llama() { return {"Llama-3-8B", 4096, 14336, 32, 32, 8, 128, 128256}; }

/// Every GEMM of a scheme takes `base + slope · m` µs at 16 and 256, attention 1 µs per 1280 tokens.
KernelTimes times(const char* scheme, const char* kv, double base, double slope) {
  KernelTimes times;
  for (const LinearShape& linear : llama().linears()) {
    TimeCurve& curve = times.gemms[KernelTimes::gemm_key(scheme, linear.n, linear.k)];
    for (const double m : {16.0, 256.0, 2048.0}) curve.add(m, base + slope * m, Basis::Predicted);
  }
  TimeCurve& attention = times.attentions[KernelTimes::attention_key(kv, 32, 8, 128)][1280];
  attention.add(1280, 1, Basis::Predicted);
  attention.add(256 * 1280.0, 256, Basis::Predicted);
  return times;
}

Gpu a100() { return embedded_gpus().at("a100-80"); }

TEST(ModelShape, IsTheTableOfItsFourMatrices) {
  const auto linears = llama().linears();
  EXPECT_EQ(linears[0].n, 6144);
  EXPECT_EQ(linears[2].n, 28672);
  EXPECT_EQ(linears[3].k, 14336);
  EXPECT_NEAR(llama().linear_weights() * 1e-9, 6.98, 0.01);
  EXPECT_DOUBLE_EQ(llama().cached_elements(), 2.0 * 32 * 8 * 128);
}

TEST(TimeCurve, InterpolatesBetweenNeighboursAndSaysWhereItGuesses) {
  TimeCurve curve;
  curve.add(16, 10, Basis::Predicted);
  curve.add(64, 34, Basis::Measured);
  EXPECT_DOUBLE_EQ(curve.at(16).us, 10);
  EXPECT_DOUBLE_EQ(curve.at(40).us, 22);
  EXPECT_EQ(curve.at(40).bases, (std::set{Basis::Measured, Basis::Predicted})) << "a sum names all it rests on";
  EXPECT_DOUBLE_EQ(curve.at(1).us, 10);
  EXPECT_FALSE(curve.at(1).beyond);
  EXPECT_DOUBLE_EQ(curve.at(128).us, 68);
  EXPECT_TRUE(curve.at(128).beyond);
}

TEST(TimeCurve, TakesMeasuredBeforePredictedThenTheFaster) {
  TimeCurve curve;
  curve.add(16, 10, Basis::Predicted);
  curve.add(16, 8, Basis::Predicted);
  EXPECT_DOUBLE_EQ(curve.at(16).us, 8);
  curve.add(16, 12, Basis::Measured);
  EXPECT_DOUBLE_EQ(curve.at(16).us, 12);
  curve.add(16, 5, Basis::Predicted);
  EXPECT_DOUBLE_EQ(curve.at(16).us, 12);
  EXPECT_THROW(curve.add(16, 0, Basis::Measured), Error);
  EXPECT_THROW(TimeCurve().at(16), Error);
}

TEST(KernelTimes, AttentionIsThatOfTheNearestContext) {
  KernelTimes times;
  auto& curves = times.attentions[KernelTimes::attention_key("kv4", 32, 8, 128)];
  curves[81920].add(81920, 5, Basis::Measured);
  curves[1280].add(64 * 1280, 30, Basis::Predicted);
  EXPECT_EQ(times.attention("kv4", 32, 8, 128, 1280)->at(64 * 1280).us, 30) << "as many tokens in one sequence take 5";
  EXPECT_EQ(times.attention("kv4", 32, 8, 128, 1024)->at(64 * 1280).us, 30);
  EXPECT_EQ(times.attention("kv4", 32, 8, 128, 60000)->at(81920).us, 5);
  EXPECT_EQ(times.attention("kv8", 32, 8, 128, 1280), nullptr);
}

TEST(MemoryBudget, HoldsWeightsActivationsAndWholeCaches) {
  const ServingScheme& four = serving_scheme("w4a8-g128 kv4");
  const MemoryBudget budget = memory_budget(llama(), four, 80e9, 0.9, {1024, 512}, 2048, 256);
  EXPECT_DOUBLE_EQ(budget.usable, 72e9);
  // 6.98e9 weights of 4.125 bits, 2 · 128256 · 4096 fp16 numbers.
  EXPECT_NEAR(budget.weights, 6.9793e9 * 4.125 / 8 + 2 * 2 * 128256.0 * 4096, 2e6);
  // 65,536 elements a token, half a byte each and 4 bytes per 128.
  EXPECT_DOUBLE_EQ(budget.sequence, 1536 * 65536 * (0.5 + 4.0 / 128));
  EXPECT_EQ(budget.sequences(), static_cast<int>((72e9 - budget.weights - budget.activations) / budget.sequence));
  const MemoryBudget half = memory_budget(llama(), serving_scheme("fp16 kv16"), 80e9, 0.9, {1024, 512}, 2048, 256);
  EXPECT_NEAR(half.sequence / budget.sequence, 2 / (0.5 + 4.0 / 128), 1e-12);
  EXPECT_EQ(memory_budget(llama(), four, 4e9, 0.9, {1024, 512}, 2048, 256).sequences(), 0);
}

TEST(DecodeStep, AddsLayersAttentionSmallOperatorsAndTheHead) {
  const ServingScheme& scheme = serving_scheme("w4a8-g128 kv4");
  const DecodeStep step = decode_step(llama(), scheme, a100(), times("w4a8-g128", "kv4", 10, 0.1), 64);
  EXPECT_NEAR(step.gemms.us, 32 * 4 * (10 + 0.1 * 64), 1e-9);
  EXPECT_NEAR(step.attention.us, 32 * 64, 1e-9);
  EXPECT_EQ(step.gemms.bases, std::set{Basis::Predicted});
  EXPECT_EQ(step.lm_head.bases, std::set{Basis::Estimated});
  EXPECT_GT(step.small.us, 32 * 5 * a100().launch_us.value);
  EXPECT_DOUBLE_EQ(step.total().us, step.gemms.us + step.attention.us + step.small.us + step.lm_head.us);
}

TEST(Serve, CountsGeneratedTokensOverStepsAndPrefill) {
  const ServingScheme& scheme = serving_scheme("w4a8-g128 kv4");
  const auto kernels = times("w4a8-g128", "kv4", 10, 0.1);
  const Serving serving = serve(llama(), scheme, a100(), {80e9, 3.6}, kernels, 64);
  ASSERT_EQ(serving.refusal, "");
  const double us = 512 * serving.step.total().us + 64 * serving.prefill.us;
  EXPECT_NEAR(serving.tokens_per_s, 64 * 512 / us * 1e6, 1e-6);
  ASSERT_TRUE(serving.dollars_per_million);
  EXPECT_NEAR(*serving.dollars_per_million, 3.6 / 3600 / serving.tokens_per_s * 1e6, 1e-9);
  EXPECT_NEAR(serving.prefill_share({}), 64 * serving.prefill.us / us, 1e-12);
  // A chunk of 2048 holds two requests of 1024.
  EXPECT_GT(serving.prefill.us, 32 * 4 * (10 + 0.1 * 2048) / 2);
}

TEST(Serve, TakesTheFastestBatchThatFits) {
  const ServingScheme& scheme = serving_scheme("w4a8-g128 kv4");
  const Serving wide = serve(llama(), scheme, a100(), {80e9, {}}, times("w4a8-g128", "kv4", 10, 0.1));
  EXPECT_EQ(wide.batch, 256) << "more sequences share the same launches";
  EXPECT_FALSE(wide.dollars_per_million);
  const Serving narrow = serve(llama(), scheme, a100(), {10e9, {}}, times("w4a8-g128", "kv4", 10, 0.1));
  EXPECT_EQ(narrow.batch, narrow.memory.sequences());
  EXPECT_LT(narrow.batch, 256);
  EXPECT_LT(narrow.tokens_per_s, wide.tokens_per_s);
}

TEST(Serve, RefusesWithASentence) {
  const ServingScheme& scheme = serving_scheme("w4a8-g128 kv4");
  const auto kernels = times("w4a8-g128", "kv4", 10, 0.1);
  EXPECT_NE(serve(llama(), scheme, a100(), {4e9, {}}, kernels).refusal.find("does not fit"), std::string::npos);
  EXPECT_NE(serve(llama(), scheme, a100(), {10e9, {}}, kernels, 256).refusal.find("256 sequences do not fit"),
            std::string::npos);
  EXPECT_EQ(serve(llama(), scheme, a100(), {80e9, {}}, kernels, 300).refusal,
            "300 sequences are more than the 256 that run at once");
  EXPECT_EQ(serve(llama(), scheme, a100(), {80e9, {}}, kernels, 256).refusal, "");
  EXPECT_EQ(serve(llama(), serving_scheme("w8a8 kv8"), a100(), {80e9, {}}, kernels).refusal,
            "no kernel for gemm w8a8 n=6144 k=4096");
  auto partial = kernels;
  partial.attentions.clear();
  EXPECT_EQ(serve(llama(), scheme, a100(), {80e9, {}}, partial).refusal,
            "no kernel for attention kv4 heads=32/8 dh=128");
}

TEST(Serve, Fp16IsEstimatedAndSaysSo) {
  auto kernels = times("w8a8", "kv16", 10, 0.1);
  const Serving serving = serve(llama(), serving_scheme("fp16 kv16"), a100(), {80e9, {}}, kernels, 16);
  ASSERT_EQ(serving.refusal, "");
  EXPECT_EQ(serving.step.gemms.bases, std::set{Basis::Estimated});
  EXPECT_EQ(text(serving.bases()), "predicted and estimated");
  // Memory-bound at 16 tokens: bytes over 80 % of 2039 GB/s.
  EXPECT_NEAR(estimated_gemm_us(a100(), 16, 4096, 4096, 0.8) - a100().launch_us.value,
              2 * (16 * 4096 * 2 + 4096.0 * 4096) / (0.8 * a100().dram_bandwidth.value) * 1e-3, 1e-6);
}

TEST(ServingScheme, AnUnknownOneNamesTheKnown) {
  try {
    serving_scheme("w3a8");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("w4a8-g128 kv4"), std::string::npos);
  }
}

}  // namespace
}  // namespace qoq::roofline
