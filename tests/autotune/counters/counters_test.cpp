#include "autotune/counters/counters.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace qoq::counters {
namespace {

TEST(CounterReading, GoesThroughJsonWhole) {
  for (const Rung rung : {Rung::Counters, Rung::Activity, Rung::Prediction}) {
    const CounterReading reading{.rung = rung,
                                 .values = {{"dram_read_bytes", 1234567890123.0}, {"occupancy_pct", 12.1}},
                                 .passes = 9,
                                 .reason = "no \"counters\""};
    const CounterReading back = counter_reading_from_json(nlohmann::json::parse(to_json(reading).dump()));
    EXPECT_EQ(back.rung, reading.rung);
    EXPECT_EQ(back.values, reading.values);
    EXPECT_EQ(back.passes, reading.passes);
    EXPECT_EQ(back.reason, reading.reason);
  }
}

TEST(CounterReading, NoValuesAreAnObjectToo) {
  const nlohmann::json json = to_json({});
  EXPECT_TRUE(json.at("values").is_object());
  EXPECT_EQ(json.at("rung"), "prediction");
  EXPECT_TRUE(counter_reading_from_json(json).values.empty());
}

TEST(CounterReading, AnythingElseIsBadInput) {
  const nlohmann::json good = to_json({});
  for (const char* text : {"[]", "{}", "3", R"({"rung": "stairs", "passes": 0, "reason": "", "values": {}})",
                           R"({"rung": "activity", "passes": "9", "reason": "", "values": {}})",
                           R"({"rung": "activity", "passes": 9, "reason": "", "values": {"cycles": null}})"}) {
    EXPECT_THROW(counter_reading_from_json(nlohmann::json::parse(text)), Error) << text;
  }
}

}  // namespace
}  // namespace qoq::counters
