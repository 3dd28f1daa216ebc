#include "autotune/ceilings/measure.h"

#include <gtest/gtest.h>

#include "tests/autotune/ceilings/fake_bench.h"

namespace qoq::ceilings {
namespace {

struct MeasureCeilings : testing::Test {
  roofline::Gpu sheet = roofline::embedded_gpus().at("h200");
  FakeGpu gpu;
  FakeCompiler compiler;
  std::vector<CeilingResult> results;

  Ceiling named(const std::string& name) const {
    for (const Ceiling& ceiling : ceilings_of(sheet.device)) {
      if (ceiling.name == name) return ceiling;
    }
    throw std::runtime_error(name);
  }
  CeilingResult measure(const Ceiling& ceiling, bool with_sheet = true) {
    const Bench bench{gpu, compiler, sheet.device, with_sheet ? &sheet : nullptr};
    return measure_ceilings(bench, {ceiling}, [&](const auto& result) { results.push_back(result); }).front();
  }
};

TEST_F(MeasureCeilings, TheFastestOfTheTriesCounts) {
  gpu.times_us = {{"read.t128.u4.x4", 300}, {"read.t256.u8.x4", 240}, {"read.t512.u4.x4", 250}};
  const CeilingResult result = measure(named("measured_dram_bandwidth"));
  EXPECT_EQ(result.variant, "read.t256.u8.x4");
  EXPECT_DOUBLE_EQ(result.value, (1 << 30) / 240.0 * 1e-3);
  EXPECT_EQ(result.sheet_value, 4800) << "the listed bandwidth, not what somebody measured";
  EXPECT_DOUBLE_EQ(result.share, result.value / 4800);
  EXPECT_FALSE(result.flagged);
  EXPECT_EQ(result.failure, "");
  ASSERT_EQ(result.out.size(), 1u);
  EXPECT_EQ(result.out[0], "read.t256.u4.x4: no room");
  ASSERT_EQ(results.size(), 1u);
  for (const auto& [id, modes] : gpu.asked) EXPECT_EQ(modes, measure::Modes{}) << id;
}

TEST_F(MeasureCeilings, LessThanThreeQuartersIsFlagged) {
  gpu.times_us = {{"read.t256.u8.x4", (1 << 30) * 1e-3 / (0.749 * 4800)}};
  EXPECT_TRUE(measure(named("measured_dram_bandwidth")).flagged);
  gpu.times_us = {{"read.t256.u8.x4", (1 << 30) * 1e-3 / (0.751 * 4800)}};
  EXPECT_FALSE(measure(named("measured_dram_bandwidth")).flagged);
}

TEST_F(MeasureCeilings, RatesPerClockUseTheSamplesClock) {
  // 32 warps an SM, 256 trips of 256 instructions of 32 threads, 64 threads a clock.
  const double clocks = 32.0 * 256 * 256 * 32 / 64;
  gpu.times_us = {{"issue.lop3.t512.c8", clocks / 1500}};
  gpu.sm_mhz = 1500;
  const CeilingResult result = measure(named("pipes.alu"));
  EXPECT_NEAR(result.value, 64, 1e-9);
  EXPECT_EQ(result.clock_from, "samples");
  EXPECT_EQ(result.clock_mhz, 1500);
  gpu.sm_mhz = 0;
  const CeilingResult by_sheet = measure(named("pipes.alu"));
  EXPECT_NEAR(by_sheet.value, 64 * 1500 / 1980.0, 1e-9);
  EXPECT_EQ(by_sheet.clock_from, "sheet");
  const CeilingResult unknown = measure(named("pipes.alu"), false);
  EXPECT_EQ(unknown.value, 0);
  EXPECT_NE(unknown.failure.find("neither the samples' SM clock nor a sheet's"), std::string::npos) << unknown.failure;
}

TEST_F(MeasureCeilings, EveryUnitByHand) {
  gpu.sm_mhz = 1000;
  const auto value = [&](const char* name, const char* variant, double us) {
    gpu.times_us = {{variant, us}};
    return measure(named(name)).value;
  };
  EXPECT_NEAR(value("dram_copy_bandwidth", "copy.t256.u4.x4", 250), 2.0 * (512 << 20) / 250e3, 1e-9);
  EXPECT_NEAR(value("l2_bandwidth", "l2.t512.u4.x4", 400), 2048.0 * (1 << 20) / 400e3, 1e-9);  // 400,000 clocks
  EXPECT_NEAR(value("shared_bandwidth", "shared.t512.c8", 16 * 256 * 32 * 4 * 1e-3), 128, 1e-9);
  EXPECT_NEAR(value("mma_sync.int8", "mma.int8.t256.r4.c4", 100), 2.0 * 132 * 16 * 128 * 128 * 16 * 8 * 32 * 1e-8,
              1e-6);
  EXPECT_NEAR(value("tensor.int8", "wgmma.int8.t256.n256", 100), 2.0 * 132 * 2 * 256 * 64 * 2048 * 32 * 1e-8, 1e-6);
  EXPECT_NEAR(value("launch", "launch.t32", 1.75), 1.25, 1e-9);
  EXPECT_EQ(gpu.asked.back().second.launch, measure::LaunchMode::Graph);
}

TEST_F(MeasureCeilings, OfLaunchesTheShortestCountsAndAnIdleOneIsFlagged) {
  gpu.times_us = {{"launch.t32", 2.0}, {"launch.t128", 1.9}};
  CeilingResult result = measure(named("launch"));
  EXPECT_EQ(result.variant, "launch.t128");
  EXPECT_NEAR(result.share, 2.8 / 1.4, 1e-9);
  gpu.times_us = {{"launch.t32", 4.3}};  // 3.8 without the CTA: less than 75 % of 2.8
  result = measure(named("launch"));
  EXPECT_TRUE(result.flagged) << result.share;
}

TEST_F(MeasureCeilings, AWrongKernelNeverCounts) {
  gpu.times_us = {{"issue.ffma.t256.c8", 1}, {"issue.ffma.t512.c8", 300}};
  gpu.wrong = {{"issue.ffma.t256.c8", "thread 3 left nonsense"}};
  const CeilingResult result = measure(named("pipes.fma"));
  EXPECT_EQ(result.variant, "issue.ffma.t512.c8");
  for (const auto& [id, modes] : gpu.asked) EXPECT_NE(id, "issue.ffma.t256.c8");
  EXPECT_EQ(result.out.front(), "issue.ffma.t256.c8: wrong: thread 3 left nonsense");
}

TEST_F(MeasureCeilings, WhatFailsIsListedWithItsReasons) {
  compiler.broken = "Issued::Ffma";
  const CeilingResult result = measure(named("pipes.fma"));
  EXPECT_EQ(result.value, 0);
  EXPECT_FALSE(result.flagged);
  EXPECT_NE(result.failure.find("issue.ffma.t512.c8: does not compile: no such instruction; "), std::string::npos)
      << result.failure;
  gpu.times_us = {{"issue.imad.t512.c8", 500}};
  EXPECT_EQ(measure(named("pipes.fma_heavy")).failure, "") << "others go on";
  sheet.device.compute_capability = 89;
  Ceiling wgmma = named("pipes.alu");
  wgmma.tries = {{"ceiling wgmma.int8 warps=8 trips=1", "wgmma.int8.t128.n256"}};
  EXPECT_NE(measure(wgmma).failure.find("compute capability 9.0 alone"), std::string::npos);
}

}  // namespace
}  // namespace qoq::ceilings
