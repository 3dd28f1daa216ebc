#include "roofline/gpu/measured.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace qoq::roofline {
namespace {

Gpu h200() { return embedded_gpus().at("h200"); }

Gpu with(const std::vector<Measured>& measured, const Gpu& sheet = h200()) { return with_measured(sheet, measured); }

TEST(Measured, RatesReplaceTheSheetsAndSaySo) {
  const Gpu gpu = with({{"measured_dram_bandwidth", 4500, "2026-11-24"},
                        {"l2_bandwidth", 4000, ""},
                        {"pipes.alu", 63.5, ""},
                        {"launch", 1.2, ""}});
  EXPECT_EQ(gpu.dram_gbps(), 4500);
  EXPECT_EQ(gpu.dram_gbps(false), 4800);
  EXPECT_EQ(gpu.measured_dram_bandwidth->ground, Ground::Measured);
  EXPECT_NE(gpu.measured_dram_bandwidth->source.find("2026-11-24"), std::string::npos);
  EXPECT_EQ(gpu.measured_dram_bandwidth->unit, "GB/s");
  EXPECT_EQ(gpu.l2_bandwidth.value, 4000);
  EXPECT_EQ(gpu.l2_bandwidth.unit, "B/clk");
  EXPECT_EQ(gpu.pipes.alu.value, 63.5);
  EXPECT_EQ(gpu.launch_us.value, h200().launch_us.value) << "an empty kernel of a graph is no eager launch";
  EXPECT_EQ(gpu.pipes.fma.value, h200().pipes.fma.value);
  EXPECT_NE(gpu.pipes.fma.ground, Ground::Measured);
}

TEST(Measured, DoubtedAndUnknownOnesAreNotUsed) {
  Gpu sheet = h200();
  sheet.measured_dram_bandwidth.reset();
  Gpu gpu = with({{"measured_dram_bandwidth", 0.74 * 4800, ""},
                  {"pipes.alu", 47.9, ""},
                  {"launch", 1.5 / 0.74, ""},
                  {"tensor.int8", 1000, ""},
                  {"tensor.fp4", 1000, ""},
                  {"mma_sync.int8", 100, ""},
                  {"dram_copy_bandwidth", 4300, ""},
                  {"pipes.fma", -1, ""},
                  {"pipes.fp16", std::nan(""), ""}},
                 sheet);
  EXPECT_EQ(gpu.measured_dram_bandwidth, std::nullopt);
  auto before = sheet.rates();
  const auto after = gpu.rates();
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i)
    EXPECT_DOUBLE_EQ(before[i].second->value, after[i].second->value) << before[i].first;
  EXPECT_EQ(with({{"pipes.alu", 48.1, ""}}).pipes.alu.value, 48.1);  // just credible
}

TEST(Measured, TensorRatesCountPerClock) {
  const Gpu gpu = with({{"tensor.int8", 1600, ""}});
  EXPECT_NEAR(gpu.tensor_ops("int8"), 1600e12, 1e6);
  EXPECT_NEAR(gpu.tensor.at("int8").macs_per_clock_sm / h200().tensor.at("int8").macs_per_clock_sm, 1600.0 / 1979,
              1e-9);
}

TEST(Measured, TensorRatesOfAGpuWithFewerSms) {
  Gpu half = h200();
  half.device.sm_count = 66;
  EXPECT_NEAR(*sheet_value(half, "tensor.int8"), 1979 / 2.0, 1e-9);
  const Gpu gpu = with({{"tensor.int8", 800, ""}}, half);
  EXPECT_NEAR(gpu.tensor_ops("int8"), 800e12, 1e6);
  EXPECT_NEAR(gpu.mma_sync_fraction.value * 800, 1979 / 2.0 * 0.629, 1e-6);
}

TEST(Measured, MmaSyncKeepsItsOwnSpeed) {
  const double listed = 1979 * 0.629;
  // What wgmma reaches says nothing of mma.sync.
  const Gpu wgmma = with({{"tensor.int8", 1600, ""}});
  EXPECT_NEAR(wgmma.mma_sync_fraction.value * wgmma.tensor_ops("int8"), listed * 1e12, 1e6);
  const Gpu both = with({{"mma_sync.int8", 1200, ""}, {"tensor.int8", 1600, ""}});
  EXPECT_NEAR(both.mma_sync_fraction.value, 0.75, 1e-9);
  EXPECT_EQ(both.mma_sync_fraction.ground, Ground::Measured);
  EXPECT_EQ(with({{"mma_sync.int8", 3000, ""}}).mma_sync_fraction.value, 1);
  EXPECT_NEAR(*sheet_value(h200(), "mma_sync.fp16"), 989 * 0.629, 1e-9);
  const Gpu a100 = embedded_gpus().at("a100-80");
  EXPECT_EQ(with({{"tensor.int8", 600, ""}}, a100).mma_sync_fraction.value, 1);
}

}  // namespace
}  // namespace qoq::roofline
