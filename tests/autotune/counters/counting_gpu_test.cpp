#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "autotune/counters/activity.h"
#include "autotune/counters/cupti.h"
#include "autotune/counters/ladder.h"
#include "autotune/counters/range_profiler.h"
#include "kernels/base/error.h"
#include "tests/autotune/counters/reading_kernel.h"

namespace qoq::counters {
namespace {

/// Whether the GPU's owner, not this code, keeps the counters shut: permission, a busy counter unit, a virtual GPU.
bool not_permitted(const std::string& reason) {
  for (const char* cause :
       {"result 26)", "result 33)", "result 35)", "result 40)", "result 41)", "result 43)", "cannot be profiled"}) {
    if (reason.find(cause) != std::string::npos) return true;
  }
  return false;
}

class CountingTest : public testing::Test {
 protected:
  static constexpr size_t bytes = size_t{1} << 30;  // far more than any L2 cache holds

  void SetUp() override {
    const runtime::AttachedGpus attached = runtime::list_attached_gpus();
    if (attached.gpus.empty()) GTEST_SKIP() << attached.reason;
    if (!Cupti::get().available) GTEST_SKIP() << Cupti::get().reason;
    device_.emplace(0);
    kernel_.emplace();
    stream_.emplace();
    memory_ = runtime::DeviceMemory(bytes);
    memory_.fill(0, bytes, 1, *stream_);
    other_ = runtime::DeviceMemory(size_t{256} << 20);
    run();
  }

  /// Leaves nothing of `memory_` in the caches.
  void prepare() const {
    kernel_->queue(other_, other_.size(), *stream_);
    device_->synchronize();
  }
  void run() const {
    kernel_->queue(memory_, bytes, *stream_);
    device_->synchronize();
  }
  Attempt count() const {
    return read_counters([this] { prepare(); }, [this] { run(); });
  }

  std::optional<runtime::CudaDevice> device_;
  std::optional<ReadingKernel> kernel_;
  std::optional<runtime::Stream> stream_;
  runtime::DeviceMemory memory_, other_;
};

TEST_F(CountingTest, CountsWhatTheKernelReads) {
  const Attempt attempt = count();
  if (not_permitted(attempt.reason)) GTEST_SKIP() << attempt.reason;
  ASSERT_EQ(attempt.reason, "");
  for (const auto& [name, value] : attempt.values) fmt::print("  {} {:.6g}\n", name, value);
  fmt::print("  in {} passes\n", attempt.passes);
  const Values& values = attempt.values;
  EXPECT_NEAR(values.at("dram_read_bytes"), bytes, 0.05 * bytes);
  EXPECT_LT(values.at("dram_write_bytes"), 0.05 * bytes);
  EXPECT_NEAR(values.at("l2_read_bytes"), bytes, 0.05 * bytes);
  EXPECT_GE(values.at("lsu_issue"), bytes / 512.0);  // 32 lanes × 16 bytes a warp instruction
  EXPECT_LT(values.at("lsu_issue"), 1.2 * bytes / 512.0);
  EXPECT_EQ(values.at("tensor_issue"), 0);
  // The kernel uses no shared memory; an H200 counts one wavefront a warp all the same.
  EXPECT_LT(values.at("shared_bytes"), 0.01 * bytes);
  EXPECT_GT(values.at("cycles"), 10000);
  EXPECT_GT(values.at("occupancy_pct"), 30);
  EXPECT_LE(values.at("occupancy_pct"), 100.5);
  double stalls = 0;
  for (const auto& [name, value] : values) stalls += name.starts_with("stall_") ? value : 0;
  EXPECT_NEAR(stalls, 100, 5);
  EXPECT_GT(values.at("stall_long_scoreboard_pct"), 50);  // it waits for memory
  EXPECT_GE(attempt.passes, 1);
}

TEST_F(CountingTest, CountsAgainAndAlike) {
  const Attempt first = count(), second = count();
  if (not_permitted(first.reason)) GTEST_SKIP() << first.reason;
  ASSERT_EQ(first.reason, "");
  ASSERT_EQ(second.reason, "");
  EXPECT_EQ(first.passes, second.passes);
  EXPECT_EQ(first.values.at("lsu_issue"), second.values.at("lsu_issue"));
}

TEST_F(CountingTest, ActivityAgreesWithEvents) {
  const runtime::Event begin, end;
  std::vector<double> events, activity;
  ActivityTrace trace;
  trace.start();
  for (int i = 0; i < 11; ++i) {
    begin.record(*stream_);
    kernel_->queue(memory_, bytes, *stream_);
    end.record(*stream_);
    device_->synchronize();
    events.push_back(end.us_since(begin));
  }
  for (const KernelActivity& kernel : trace.stop()) {
    EXPECT_EQ(kernel.name, ReadingKernel::entry);
    activity.push_back(kernel.us);
  }
  ASSERT_EQ(activity.size(), 11u);
  std::ranges::sort(events);
  std::ranges::sort(activity);
  fmt::print("  events {:.2f} us, activity {:.2f} us\n", events[5], activity[5]);
  EXPECT_NEAR(activity[5], events[5], std::max(6.0, 0.05 * events[5]));
}

TEST_F(CountingTest, TracesFollowOneAnotherAndStayApart) {
  ActivityTrace trace;
  for (const size_t launches : {3, 1}) {
    trace.start();
    for (size_t i = 0; i < launches; ++i) run();
    EXPECT_EQ(trace.stop().size(), launches);
    run();  // of no trace
  }
}

// CUPTI keeps names by where code lies, and a later module takes an unloaded one's place.
TEST_F(CountingTest, TracesNameTheKernelsOfLaterModules) {
  kernel_.reset();
  for (int i = 0; i < 20; ++i) {
    const std::string name = fmt::format("read_all_{}", i);
    kernel_.emplace(name);
    run();
    ActivityTrace trace;
    trace.start();
    run();
    const std::vector<KernelActivity> kernels = trace.stop();
    ASSERT_EQ(kernels.size(), 1u) << name;
    EXPECT_EQ(kernels.front().name, name);
  }
}

TEST_F(CountingTest, OnlyOneTraceAtATime) {
  ActivityTrace first, second;
  first.start();
  try {
    second.start();
    FAIL() << "two traces at once";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("another profiler is attached"), std::string::npos) << error.what();
  }
  run();
  EXPECT_EQ(first.stop().size(), 1u);
}

TEST_F(CountingTest, ExplainsByTheBestRungThereIs) {
  const CounterReading reading = explain(
      device_->gpu().device, [this] { prepare(); }, [this] { run(); }, {.instruction_mix = {}, .prediction = {}});
  fmt::print("  rung {}{}{}\n", to_text(reading.rung), reading.reason.empty() ? "" : ": ", reading.reason);
  EXPECT_NE(reading.rung, Rung::Prediction) << reading.reason;
  EXPECT_FALSE(reading.values.empty());
  const Attempt activity = trace_activity([this] { prepare(); }, [this] { run(); });
  ASSERT_EQ(activity.reason, "");
  EXPECT_EQ(activity.values.at("launches"), 1);
  EXPECT_GT(activity.values.at("activity_us"), 100);  // 1 GiB at less than 10 TB/s
}

// Last: after it this process counts no more.
TEST_F(CountingTest, ARunThatBreaksOffPassesThroughAndEndsCounting) {
  if (const Attempt attempt = count(); !attempt.ok()) GTEST_SKIP() << attempt.reason;
  EXPECT_THROW(read_counters([] {}, [] { fail("the run broke off"); }), Error);
  EXPECT_NE(count().reason.find("only a new process"), std::string::npos);
}

}  // namespace
}  // namespace qoq::counters
