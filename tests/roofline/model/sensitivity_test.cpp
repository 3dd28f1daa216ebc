#include "roofline/model/sensitivity.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace qoq::roofline {
namespace {

/// A sheet on which nothing is assumed but the named rates.
Gpu assuming(const std::vector<std::string>& keys) {
  Gpu gpu = embedded_gpus().at("h200");
  for (const auto& [key, rate] : gpu.rates())
    rate->ground = std::ranges::find(keys, key) != keys.end() ? Ground::Assumed : Ground::Datasheet;
  return gpu;
}

/// One CTA that works `instructions` long and meets `barriers`.
Subject kernel(int instructions, int barriers) {
  Step step;
  step.code.registers = 32;
  step.code.body.issued = instructions;
  step.code.body.barriers = barriers;
  step.launch = {"k", {1, 1, 1}, {128, 1, 1}, {}, 1024};
  return {{step}};
}

TEST(AssumedRates, AreThoseThatNobodyVouchesFor) {
  const std::vector<std::string> two{"latency.barrier", "block"};
  EXPECT_EQ(assumed_rates(assuming(two)), two);
  EXPECT_TRUE(assumed_rates(assuming({})).empty());
  const auto of_sheet = assumed_rates(embedded_gpus().at("h200"));
  EXPECT_NE(std::ranges::find(of_sheet, "latency.mma"), of_sheet.end());
  EXPECT_EQ(std::ranges::find(of_sheet, "dram_bandwidth"), of_sheet.end());
}

// 1,000 barriers of 30 + 29 + 33 clocks against 1 % more time in instructions (1.9 clocks in a chain, 1 of issue): the
// barrier's assumed price decides.
TEST(Upsets, NameTheRateTheFactorAndTheWinner) {
  const Gpu gpu = assuming({"latency.barrier", "block"});
  const Subject barriers = kernel(1000, 1000), work = kernel(44300, 1);
  const Subject* candidates[] = {&work, &barriers};
  ASSERT_GT(predict(gpu, work).total_us, predict(gpu, barriers).total_us);
  const auto found = upsets(gpu, candidates, 1);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rate, "latency.barrier");
  EXPECT_EQ(found[0].factor, 1.3);
  EXPECT_EQ(found[0].winner, 0u);
  Gpu slower = gpu;
  slower.latency.barrier.value *= 1.3;
  EXPECT_NEAR(found[0].loss, predict(slower, barriers).total_us / predict(slower, work).total_us - 1, 1e-12);
  EXPECT_GT(found[0].loss, 0.05);
}

TEST(Upsets, AreNoneWhereTheWinnerIsAheadOrTheRateIsKnown) {
  const Subject fast = kernel(1000, 10), slow = kernel(100000, 10), twin = fast;
  const Subject* candidates[] = {&slow, &fast, &twin};
  EXPECT_TRUE(upsets(assuming({"latency.barrier", "latency.issue", "launch"}), candidates, 1).empty())
      << "a twin does not win";
  const Subject barriers = kernel(1000, 1000), work = kernel(44300, 1);
  const Subject* close[] = {&work, &barriers};
  EXPECT_TRUE(upsets(assuming({"pipes.xu"}), close, 1).empty());
}

}  // namespace
}  // namespace qoq::roofline
