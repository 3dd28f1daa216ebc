// Rows of a database as a served model, prices as a user may write them, and our ratio beside the published one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "autotune/job/model.h"
#include "autotune/serving/print.h"
#include "autotune/serving/rows.h"
#include "kernels/base/error.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::serving {
namespace {

roofline::ModelShape llama() { return shape_of(job::load_model("llama-3-8b", ".")); }

/// Kernels of ours and of w8a8: GEMMs twice, attention three times as fast.
roofline::KernelTimes kernels() {
  roofline::KernelTimes times;
  for (const auto& linear : llama().linears()) {
    for (const int m : {16, 256, 2048}) {
      add_time(times, fmt::format("gemm w4a8-g128 m={} n={} k={}", m, linear.n, linear.k), 10 + m * 0.1,
               store::Source::Predicted);
      add_time(times, fmt::format("gemm w8a8 m={} n={} k={}", m, linear.n, linear.k), 20 + m * 0.2,
               store::Source::Predicted);
    }
  }
  for (const int batch : {1, 256}) {
    add_time(times, fmt::format("attention kv4 batch={} heads=32/8 dh=128 ctx=1280", batch), batch,
             store::Source::Predicted);
    add_time(times, fmt::format("attention kv8 batch={} heads=32/8 dh=128 ctx=1280", batch), 3.0 * batch,
             store::Source::Predicted);
  }
  return times;
}

TEST(Rows, OnlyPlainProblemsServe) {
  roofline::KernelTimes times;
  add_time(times, "gemm w8a8 m=16 n=4096 k=4096 out=bf16", 5, store::Source::Predicted);
  add_time(times, "gemm w8a8 m=16 n=4096 k=4096 bias=1", 5, store::Source::Predicted);
  add_time(times, "attention kv4 batch=2 heads=32/8 dh=128 ctx=100,200", 5, store::Source::Predicted);
  add_time(times, "attention kv4 batch=2 heads=32/8 dh=128 ctx=100 q=4", 5, store::Source::Predicted);
  add_time(times, "ceiling read bytes=1024", 5, store::Source::Measured);
  add_time(times, "gemm w8a8 m=16 n=4096 k=4096", 5, store::Source::None);
  EXPECT_TRUE(times.gemms.empty());
  EXPECT_TRUE(times.attentions.empty());
  add_time(times, "gemm w8a8 m=16 n=4096 k=4096", 5, store::Source::Measured);
  ASSERT_TRUE(times.gemm("w8a8", 4096, 4096));
  EXPECT_EQ(times.gemm("w8a8", 4096, 4096)->at(16).bases, std::set{roofline::Basis::Measured});
}

TEST(Rows, OneLongSequenceIsNotManyShortOnes) {
  roofline::KernelTimes times;
  add_time(times, "attention kv4 batch=1 heads=32/8 dh=128 ctx=81920", 5, store::Source::Measured);
  add_time(times, "attention kv4 batch=64 heads=32/8 dh=128 ctx=1280", 30, store::Source::Predicted);
  EXPECT_EQ(times.attention("kv4", 32, 8, 128, 1280)->at(64 * 1280).us, 30);
}

TEST(Rows, AGpuIsKnownByItsTargetOrItsProduct) {
  store::Environment environment;
  environment.target = "sim:l40s";
  EXPECT_EQ(sheet_of(environment)->id, "l40s");
  environment.target = "cuda:0";
  environment.product = "NVIDIA H200";
  environment.architecture = "sm_90a";
  EXPECT_EQ(sheet_of(environment)->id, "h200");
  environment.product = "NVIDIA A100-SXM4-80GB";
  environment.architecture = "sm_80";
  EXPECT_EQ(sheet_of(environment)->id, "a100-80");
  environment.product = "Some Other";
  EXPECT_FALSE(sheet_of(environment));
}

class PriceFile : public ::testing::Test {
 protected:
  std::string fault(const std::string& text) {
    const auto path = folder_ / "prices.yaml";
    std::ofstream(path) << text;
    try {
      prices_ = load_prices(path);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  store::testing::Folder folder_;
  Prices prices_;
};

TEST_F(PriceFile, IsReadStrictly) {
  EXPECT_EQ(fault("gpus:\n  l40s: {memory_gib: 48, dollars_per_hour: 1.5, date: 2026-03, source: me}\n"), "");
  EXPECT_EQ(prices_.of("l40s").dollars_per_hour, 1.5);
  EXPECT_FALSE(prices_.of("l40s").assumed);
  EXPECT_NE(fault("gpus:\n  l40s: {memory_gib: 48, dollars: 1.5, date: x, source: me}\n")
                .find("prices.yaml:2:26: gpus.l40s: unknown key \"dollars\""),
            std::string::npos);
  EXPECT_NE(fault("gpus:\n  l40s: {memory_gib: 48, dollars_per_hour: -1, date: x, source: me}\n").find("prices.yaml:2"),
            std::string::npos);
  EXPECT_NE(fault("gpus:\n  l40s: {memory_gib: 48, dollars_per_hour: 1, source: me}\n").find("date"),
            std::string::npos);
}

TEST(Prices, TheShippedOnesNameTheirSourcesAndAMissingOneTheKnown) {
  const Prices prices = load_prices();
  for (const auto& [gpu, price] : prices.gpus) EXPECT_FALSE(price.source.empty()) << gpu;
  EXPECT_EQ(prices.of("a100-80").memory_gib, 80);
  try {
    prices.of("orin");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("no price for orin; it has: a100-80"), std::string::npos) << error.what();
  }
}

TEST(Comparison, SetsOursBesideTheBestOtherAndSumsToTheDifference) {
  const roofline::Gpu gpu = roofline::embedded_gpus().at("a100-80");
  const auto times = kernels();
  const ModelOnGpu on = serve_all(llama(), gpu, load_prices().of("a100-80"), times);
  ASSERT_TRUE(on.best(true));
  EXPECT_EQ(on.best(true)->scheme.name, "w4a8-g128 kv4");
  EXPECT_EQ(on.best(false)->scheme.name, "w8a8 kv8") << "the only other one with kernels: fp16 lacks kv16, w4a16 all";
  const auto comparison = compare(on, gpu, times);
  ASSERT_TRUE(comparison);
  EXPECT_NEAR(comparison->our_time.total(), 1e6 / on.best(true)->tokens_per_s, 1e-6);
  EXPECT_NEAR(comparison->other_time.total(), 1e6 / on.best(false)->tokens_per_s, 1e-6);
  EXPECT_NEAR(comparison->other_time.attention / comparison->our_time.attention, 3, 1e-9);
  EXPECT_GT(comparison->ratio, 1);
  ASSERT_TRUE(comparison->published);
  EXPECT_EQ(comparison->published->ratio, 1.2);
  const std::string sentence = explain(*comparison);
  EXPECT_NE(sentence.find("Published: 1.2×"), std::string::npos) << sentence;
}

TEST(Comparison, NeedsBothSides) {
  const roofline::Gpu gpu = roofline::embedded_gpus().at("a100-80");
  const ModelOnGpu on = serve_all(llama(), gpu, load_prices().of("a100-80"), {});
  EXPECT_FALSE(on.any());
  EXPECT_FALSE(compare(on, gpu, {}));
  EXPECT_NE(to_text(on).find("no kernel for gemm w8a8 n=6144 k=4096"), std::string::npos);
}

TEST(Print, JsonAndTextSayTheSame) {
  const roofline::Gpu gpu = roofline::embedded_gpus().at("l40s");
  const ModelOnGpu on = serve_all(llama(), gpu, load_prices().of("l40s"), kernels(), {"w4a8-g128 kv4"}, 32);
  ASSERT_EQ(on.schemes.size(), 1u);
  const auto json = to_json(on);
  EXPECT_EQ(json["schemes"][0]["batch"], 32);
  EXPECT_EQ(json["schemes"][0]["basis"], "predicted and estimated");
  EXPECT_NE(to_text(on).find(fmt::format("{:.0f}", json["schemes"][0]["tokens_per_s"].get<double>())),
            std::string::npos);
}

}  // namespace
}  // namespace qoq::serving
