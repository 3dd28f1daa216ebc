#include "autotune/compile/process.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace qoq::compile {
namespace {

TEST(Process, GathersBothOutputsAndTheExitCode) {
  const Finished finished = run_process({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_TRUE(finished.started);
  EXPECT_EQ(finished.exit_code, 3);
  EXPECT_EQ(finished.output, "out\nerr\n");
}

TEST(Process, MissingProgramIsAValue) { EXPECT_FALSE(run_process({"no_such_program_anywhere"}).started); }

TEST(Process, StopEndsTheProgramAndItsChildren) {
  std::stop_source stop;
  const auto start = std::chrono::steady_clock::now();
  const std::jthread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  // The child would keep the pipe open for a minute if it lived on.
  const Finished finished = run_process({"sh", "-c", "sleep 60 & wait"}, stop.get_token());
  EXPECT_TRUE(finished.stopped);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace qoq::compile
