#include "autotune/measure/instruments.h"

#include <gtest/gtest.h>

#include "autotune/measure/modes.h"
#include "kernels/base/error.h"

namespace qoq::measure {
namespace {

TEST(Instruments, TheClockBetweenTwoStampsIsTheirMedianSms) {
  const Stamp from{{1000, 0, 5000}, {1'000'000, 0, 1'000'000}};
  const Stamp to{{1000 + 1'800'000, 7, 5000 + 1'800'000}, {2'000'000, 1'000'000, 2'000'000}};
  EXPECT_NEAR(mean_mhz(from, to), 1800, 1e-9);
  EXPECT_EQ(mean_mhz(from, Stamp{{1000 + 1800}, {1'001'000}}), 0) << "a microsecond is too short to tell";
  EXPECT_EQ(mean_mhz({}, to), 0);
}

TEST(Modes, WordsReadBack) {
  for (const Cache cache : {Cache::WeightsCold, Cache::Cold, Cache::Hot})
    EXPECT_EQ(cache_from_text(to_text(cache)), cache);
  for (const LaunchMode launch : {LaunchMode::Eager, LaunchMode::Graph})
    EXPECT_EQ(launch_from_text(to_text(launch)), launch);
  try {
    cache_from_text("warm");
    FAIL() << "\"warm\" was taken";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "\"warm\" is no cache mode; there are: weights-cold, cold, hot");
  }
}

}  // namespace
}  // namespace qoq::measure
