#include "autotune/tune/progress.h"

#include <gtest/gtest.h>

namespace qoq::tune {
namespace {

TEST(Progress, InAPipeAShortRunSaysNothingAndAMessageIsALine) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress(3, false);
    progress.enter("sim:h200  toy");
    for (int i = 0; i < 3; ++i) progress.step(i == 0);
    progress.say("a sentence");
    EXPECT_EQ(progress.done(), 3u);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "a sentence\n");
}

TEST(Progress, QuietStillSaysWhatMatters) {
  ::testing::internal::CaptureStderr();
  {
    Progress progress(1, true);
    progress.step(false);
    progress.say("a sentence");
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "a sentence\n");
}

}  // namespace
}  // namespace qoq::tune
