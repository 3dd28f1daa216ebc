#include "autotune/counters/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace qoq::counters {
namespace {

std::string metric_of(const ChipCounters& table, const std::string& name) {
  const auto found = std::ranges::find(table.metrics, name, &CounterMetric::name);
  return found == table.metrics.end() ? "" : found->metric;
}

TEST(Table, EveryChipHasOrLacksTheSameCounters) {
  std::set<std::string> expected;
  for (const std::string_view chip : known_chips()) {
    const ChipCounters table = counters_of(chip);
    ASSERT_EQ(table.reason, "");
    std::set<std::string> names;
    for (const CounterMetric& counter : table.metrics) {
      EXPECT_TRUE(names.insert(counter.name).second) << counter.name;
      EXPECT_NE(counter.metric, "");
    }
    for (const AbsentCounter& absent : table.absent) {
      EXPECT_TRUE(names.insert(absent.name).second) << absent.name;
      EXPECT_NE(absent.reason, "") << absent.name;
    }
    if (expected.empty()) expected = names;
    EXPECT_EQ(names, expected) << chip;
  }
  for (const char* promised : {"tensor_issue", "alu_issue", "fma_issue", "lsu_issue", "xu_issue", "tensor_active_pct",
                               "dram_read_bytes", "dram_write_bytes", "l2_read_bytes", "shared_bytes", "bank_conflicts",
                               "occupancy_pct", "cycles", "stall_long_scoreboard_pct"}) {
    EXPECT_TRUE(expected.contains(promised)) << promised;
  }
}

TEST(Table, NamesDifferWhereChipsDo) {
  EXPECT_EQ(metric_of(counters_of("GH100"), "dram_read_bytes"), "dram__bytes_read.sum");
  EXPECT_EQ(metric_of(counters_of("GB202"), "dram_read_bytes"), "dram__bytes_op_read.sum");
  EXPECT_EQ(metric_of(counters_of("GA100"), "fp16_issue"), "sm__inst_executed_pipe_fp16.sum");
  EXPECT_EQ(metric_of(counters_of("GH100"), "fp16_issue"), "");
  EXPECT_EQ(metric_of(counters_of("GA104"), "tensor_issue"), metric_of(counters_of("GA102"), "tensor_issue"));
}

TEST(Table, AnUnknownChipIsASentenceAndNothingElse) {
  for (const char* chip : {"TU102", "GH200", "", "gh100"}) {
    const ChipCounters table = counters_of(chip);
    EXPECT_TRUE(table.metrics.empty()) << chip;
    EXPECT_NE(table.reason.find('"' + std::string(chip) + '"'), std::string::npos) << table.reason;
    EXPECT_NE(table.reason.find("GA100, GA102"), std::string::npos) << table.reason;
  }
}

TEST(Table, CapabilitiesWithoutATableHaveNoChip) {
  EXPECT_EQ(chip_of(80), "GA100");
  EXPECT_EQ(chip_of(86), "GA102");
  EXPECT_EQ(chip_of(89), "AD102");
  EXPECT_EQ(chip_of(90), "GH100");
  EXPECT_EQ(chip_of(100), "GB100");
  EXPECT_EQ(chip_of(120), "GB202");
  for (const int unknown : {0, 75, 87, 103, 121}) EXPECT_EQ(chip_of(unknown), "") << unknown;
}

}  // namespace
}  // namespace qoq::counters
