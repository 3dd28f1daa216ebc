#include "autotune/counters/host.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "autotune/counters/cupti.h"

namespace qoq::counters {
namespace {

class HostTest : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "CUPTI opens its host library in a way (RTLD_DEEPBIND) that AddressSanitizer does not allow";
#endif
    if (!Cupti::get().available) GTEST_SKIP() << Cupti::get().reason;
  }
};

TEST_F(HostTest, CuptiKnowsEveryNameOfEveryTable) {
  for (const std::string_view chip : known_chips()) {
    const Validation validation = validate(std::string(chip));
    EXPECT_EQ(validation.reason, "") << chip;
    EXPECT_EQ(validation.checks.size(), validation.table.metrics.size());
    for (const CounterCheck& check : validation.checks) {
      EXPECT_TRUE(check.known) << chip << " " << check.counter.name << ": " << check.reason;
      EXPECT_GE(check.passes, 1) << chip << " " << check.counter.name;
    }
    EXPECT_GE(validation.passes, 1) << chip;
    fmt::print("{}: {} counters in {} passes, {} absent (CUPTI {})\n", chip, validation.checks.size(),
               validation.passes, validation.table.absent.size(), Cupti::get().version_text());
  }
}

TEST_F(HostTest, OneConfigurationHoldsTheWholeSet) {
  std::vector<std::string> metrics;
  for (const CounterMetric& counter : counters_of("GH100").metrics) metrics.push_back(counter.metric);
  const Host host("GH100", metrics);
  ASSERT_EQ(host.reason(), "");
  EXPECT_FALSE(host.image().empty());
  EXPECT_EQ(host.metrics(), metrics);
}

TEST_F(HostTest, AnInventedMetricIsRefusedByName) {
  const Host alone("GH100", {"sm__inst_executed_pipe_abacus.sum"});
  EXPECT_NE(alone.reason().find("GH100 has no metric sm__inst_executed_pipe_abacus.sum"), std::string::npos)
      << alone.reason();
  EXPECT_TRUE(alone.image().empty());
  EXPECT_EQ(alone.passes(), 0);
  std::string reason;
  EXPECT_TRUE(alone.evaluate({}, reason).empty());
  EXPECT_EQ(reason, alone.reason());
}

TEST_F(HostTest, ARefusedMetricSpoilsNothingAfterIt) {
  EXPECT_NE(Host("GB202", {"dram__bytes_read.sum"}).reason(), "");
  EXPECT_EQ(Host("GB202", {"dram__bytes_op_read.sum"}).reason(), "");
  const Host mixed("GB202", {"dram__bytes_op_read.sum", "dram__bytes_read.sum"});
  EXPECT_NE(mixed.reason().find("refuses one of 2 metrics"), std::string::npos) << mixed.reason();
}

TEST_F(HostTest, NoMetricsAreNoConfiguration) {
  const Host nothing("GH100", {});
  EXPECT_EQ(nothing.reason(), "no metrics were asked for");
  EXPECT_TRUE(nothing.image().empty());
}

TEST_F(HostTest, AChipThatCuptiDoesNotKnowIsASentence) {
  const Host host("GX999", {"sm__cycles_active.avg"});
  EXPECT_NE(host.reason().find("GX999"), std::string::npos) << host.reason();
  EXPECT_NE(host.reason().find("does not know the chip"), std::string::npos) << host.reason();
}

TEST_F(HostTest, AChipWithoutATableIsNotValidatedByAnother) {
  const Validation validation = validate("TU102");  // which CUPTI knows
  EXPECT_NE(validation.reason.find("no table of counters"), std::string::npos) << validation.reason;
  EXPECT_TRUE(validation.checks.empty());
  EXPECT_EQ(validation.passes, 0);
}

}  // namespace
}  // namespace qoq::counters
