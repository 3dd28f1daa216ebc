// Predictions of real kernels: QServe's tile points, compiled, on the sheets.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/families.h"
#include "roofline/model/model.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

std::optional<Prediction> predict_published(const char* id, const std::string& text) {
  static const auto gpus = embedded_gpus();
  const Gpu& gpu = gpus.at(id);
  const Family& family = family_named("gemm/mma");
  const Problem problem = parse_problem(text);
  const Point point = family.published(problem).value();
  const auto cubin = compile_probe(family.source(point, problem).text, gpu.device.architecture());
  if (!cubin) return std::nullopt;
  const auto entries = read_cubin(std::as_bytes(std::span(*cubin)));
  const Launch launch = family.plan(point, problem, gpu.device).launches.at(0);
  EXPECT_EQ(entries.at(0).name, launch.entry);
  return predict(gpu, entries[0], launch, family.traffic(point, problem, gpu.device), family.work(problem));
}

#define PREDICT_OR_SKIP(name, id, text)          \
  const auto name = predict_published(id, text); \
  if (!name) GTEST_SKIP() << "NVRTC is not here: no real kernel to predict"

TEST(PredictGemm, DecodeIsAFewMicroseconds) {
  PREDICT_OR_SKIP(p, "h200", "gemm w4a8-g128 m=16 n=4096 k=4096");
  EXPECT_GT(p->total_us, p->speed_of_light_us);
  EXPECT_NEAR(p->total_us, 15.0, 3) << "15.0 measured on an H200: 64 CTAs of 32 trips";
  EXPECT_TRUE(p->limiter == "chain" || p->limiter == "in_flight") << "half of the SMs, one CTA each: latency";
}

TEST(PredictGemm, PrefillIsBoundByTheSmOrL2NotByDram) {
  PREDICT_OR_SKIP(p, "h200", "gemm w4a8-g128 m=4096 n=28672 k=4096");
  const double mma_sync_bound = p->speed_of_light_us / 0.629;
  EXPECT_GT(p->total_us, mma_sync_bound);
  EXPECT_LT(p->total_us, 3 * mma_sync_bound);
  EXPECT_LT(p->dram_us, 0.2 * p->total_us);
  EXPECT_NEAR(p->tensor_us, mma_sync_bound / p->tail_efficiency, 0.01 * p->tensor_us);
}

// On an A100, W4A8 beats W8A8 where weights are what moves (QServe, arXiv 2405.04532).
TEST(PredictGemm, FourBitWeightsWinAtDecode) {
  PREDICT_OR_SKIP(four, "a100-80", "gemm w4a8-channel m=16 n=28672 k=4096");
  PREDICT_OR_SKIP(eight, "a100-80", "gemm w8a8 m=16 n=28672 k=4096");
  EXPECT_LT(four->total_us, eight->total_us);
}

}  // namespace
}  // namespace qoq::roofline
