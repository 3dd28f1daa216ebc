#include "kernels/base/status_line.h"

#include <gtest/gtest.h>

namespace qoq {
namespace {

TEST(ClockText, RoundsToSecondsAndTellsHoursOnlyWhereThereAreSome) {
  EXPECT_EQ(clock_text(0.4), "0:00");
  EXPECT_EQ(clock_text(64.6), "1:05");
  EXPECT_EQ(clock_text(3599.4), "59:59");
  EXPECT_EQ(clock_text(3599.6), "1:00:00");
  EXPECT_EQ(clock_text(7209), "2:00:09");
}

TEST(StatusLine, InAPipeEveryLineIsWhole) {
  testing::internal::CaptureStderr();
  {
    StatusLine line;
    ASSERT_FALSE(line.terminal());
    EXPECT_FALSE(line.shown());
    line.show(std::string(300, 'x'));
    line.say("by the way");
    EXPECT_TRUE(line.shown());
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), std::string(300, 'x') + "\nby the way\n");
}

}  // namespace
}  // namespace qoq
