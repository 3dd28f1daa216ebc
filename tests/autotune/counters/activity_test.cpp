#include "autotune/counters/activity.h"

#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "kernels/runtime/driver.h"

namespace qoq::counters {
namespace {

TEST(ActivityTrace, WithoutADriverStartingIsASentence) {
  if (runtime::Driver::get().available) GTEST_SKIP() << "there is a driver";
  ActivityTrace trace;
  try {
    trace.start();
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("no C"), 0u) << error.what();  // no CUDA driver, or no CUPTI
  }
  EXPECT_THROW(trace.stop(), Error);
}

TEST(ActivityTrace, StoppingWhatWasNotStartedIsAFault) {
  ActivityTrace trace;
  EXPECT_THROW(trace.stop(), Error);
}

TEST(ActivityTrace, AttemptWithoutADriverRunsNothing) {
  if (runtime::Driver::get().available) GTEST_SKIP() << "there is a driver";
  int runs = 0;
  const Attempt attempt = trace_activity([] {}, [&] { ++runs; });
  EXPECT_FALSE(attempt.ok());
  EXPECT_TRUE(attempt.values.empty());
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace qoq::counters
