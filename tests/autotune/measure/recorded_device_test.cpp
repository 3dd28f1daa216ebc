#include "autotune/measure/recorded_device.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "autotune/measure/recorded_stand.h"

namespace qoq::measure {
namespace {

const std::string file = QOQ_SOURCE_DIR "/tests/autotune/measure/recorded_h200.json";

/// The message of reading the file after `change`.
template <class Change>
std::string fault_after(Change change) {
  nlohmann::json document = nlohmann::json::parse(R"({"recorded_gpu": 1, "gpu": {"name": "G", "uuid": "GPU-1",
    "compute_capability": 90, "sm_count": 132, "shared_per_block_bytes": 232448, "shared_per_sm_bytes": 233472,
    "threads_per_sm": 2048, "blocks_per_sm": 32, "l2_bytes": 62914560, "memory_bytes": 150754820096}})");
  change(document);
  try {
    RecordedDevice::parse("h200.json", document.dump());
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::Input);
    return error.what();
  }
  return "";
}

TEST(RecordedDevice, ReadsAFile) {
  const RecordedDevice device = RecordedDevice::load(file);
  EXPECT_EQ(device.gpu.device.name, "NVIDIA H200");
  EXPECT_EQ(device.gpu.device.architecture(), "sm_90a");
  EXPECT_EQ(device.gpu.device.sm_count, 132);
  EXPECT_EQ(device.gpu.device.l2_bytes, 62914560);
  EXPECT_EQ(device.gpu.driver, "580.159.04");
  EXPECT_EQ(device.gpu.power_cap_w, 700);
  EXPECT_EQ(device.noise.share, 0.03);
  EXPECT_EQ(device.noise.tail_share, 0.02);
  EXPECT_EQ(device.drift.share, 0.05);
  ASSERT_EQ(device.throttling.size(), 1u);
  EXPECT_FALSE(device.throttling[0].in_nvml);
  EXPECT_TRUE(device.throttling[0].in_clock);
  EXPECT_EQ(device.true_us("mma.x.imad.fragment", "gemm w4a8-g128 m=16 n=1 k=1", {}, {}), 16.5);
  EXPECT_EQ(device.trouble("hangs", "gemm", RecordedPhase::Time).fault, RecordedFault::Hang);
  EXPECT_EQ(device.trouble("hangs", "gemm", RecordedPhase::Time).after_samples, 3);
  EXPECT_EQ(device.trouble("hangs", "gemm", RecordedPhase::Verify).fault, RecordedFault::None);
  EXPECT_EQ(device.trouble("wrong", "gemm", RecordedPhase::Verify).fault, RecordedFault::WrongOutput);
  EXPECT_EQ(device.trouble("fine", "gemm", RecordedPhase::Verify).fault, RecordedFault::None);
  EXPECT_EQ(device.counters.at("occupancy_pct"), 42);
}

TEST(RecordedDevice, WhatIsLeftOutIsQuiet) {
  EXPECT_EQ(fault_after([](nlohmann::json&) {}), "");
}

TEST(RecordedDevice, FaultsNameFilePlaceAndWhatWouldBeRight) {
  EXPECT_EQ(fault_after([](auto& document) { document["gpu"].erase("uuid"); }), "h200.json: gpu: \"uuid\" is missing");
  EXPECT_EQ(fault_after([](auto& document) { document.erase("gpu"); }), "h200.json: \"gpu\" is missing");
  EXPECT_EQ(fault_after([](auto& document) { document["recorded_gpu"] = 2; }),
            "h200.json: recorded_gpu: expected a whole number in [1, 1], found 2");
  EXPECT_EQ(fault_after([](auto& document) { document["gpu"]["sm_count"] = "many"; }),
            "h200.json: gpu.sm_count: expected a whole number in [1, 10000], found \"many\"");
  EXPECT_EQ(fault_after([](auto& document) {
              document["noise"] = {{"share", -1}};
            }),
            "h200.json: noise.share: expected a number in [0, 0.3], found -1");
  EXPECT_EQ(fault_after([](auto& document) {
              document["times"] = {{{"variant", "a"}, {"us", 1}}, {{"variant", "b"}}};
            }),
            "h200.json: times[1]: \"us\" is missing");
  EXPECT_EQ(fault_after([](auto& document) {
              document["faults"] = {{{"fault", "nap"}}};
            }),
            "h200.json: faults[0].fault: expected one of none, hang, sticky-error, crash, wrong-output, out-of-memory, "
            "gpu-lost, found \"nap\"");
  EXPECT_EQ(fault_after([](auto& document) {
              document["throttling"] = {{{"from_s", 1}, {"to_s", 2}, {"nvml", true}}};
            }),
            "h200.json: throttling[0]: unknown key \"nvml\"; known: clock_factor, from_s, in_clock, in_nvml, to_s");
  EXPECT_NE(fault_after([](auto& document) {
              document["times"] = {{{"variant", "a("}, {"us", 1}}};
            }).find("h200.json: times[0].variant: \"a(\" is no regular expression"),
            std::string::npos);
  EXPECT_THROW(RecordedDevice::parse("x", "{"), Error);
  EXPECT_THROW(RecordedDevice::parse("x", "[1]"), Error);
  EXPECT_THROW(RecordedDevice::load("/nowhere/h200.json"), Error);
}

TEST(RecordedDevice, TimesThatAreNotRecordedDeriveFromTheWorkAndTheName) {
  RecordedDevice device = RecordedDevice::h200();
  const Work work{.ops = 2e9, .arithmetic = "int8", .read_bytes = 48e6, .write_bytes = 0};  // 10 us of memory
  const double one = device.true_us("one", "p", work, {}), two = device.true_us("two", "p", work, {});
  EXPECT_EQ(one, device.true_us("one", "p", work, {}));
  EXPECT_NE(one, two);
  for (const double us : {one, two}) {
    EXPECT_GE(us, 11);
    EXPECT_LE(us, 30);
  }
  device.hot_factor = 0.5;
  device.graph_factor = 0.9;
  EXPECT_DOUBLE_EQ(device.true_us("one", "p", work, {Cache::Hot, LaunchMode::Graph}), one * 0.45);
}

TEST(RecordedDevice, NamesMatchExactlyOrAsExpressionsOfTheWhole) {
  EXPECT_TRUE(RecordedPattern("mma.a+b").matches("mma.a+b"));
  EXPECT_TRUE(RecordedPattern("mma\\..*").matches("mma.anything"));
  EXPECT_FALSE(RecordedPattern("mma").matches("mma.anything"));
  EXPECT_TRUE(RecordedPattern("").matches("anything"));
}

TEST(RecordedStand, TheSameSeedGivesTheSameReadingsInNoWallTime) {
  RecordedDevice device = RecordedDevice::h200();
  device.noise = {0.03, 0.1, 0.2};
  std::vector<double> readings[2];
  for (auto& list : readings) {
    RecordedStand stand(device);
    const auto lane = stand.lane("variant", "problem");
    for (int i = 0; i < 100; ++i) list.push_back(lane->sample().us);
    stand.rest(1000);
    EXPECT_GT(stand.now_s(), 1000);
  }
  EXPECT_EQ(readings[0], readings[1]);
  device.seed = 2;
  EXPECT_NE(RecordedStand(device).lane("variant", "problem")->sample().us, readings[0][0]);
}

TEST(RecordedStand, AHangCostsItsTimeOutAndTheContext) {
  RecordedDevice device = RecordedDevice::h200();
  device.faults = {{"hangs", "", RecordedFault::Hang}, {"big", "", RecordedFault::OutOfMemory}};
  RecordedStand stand(device);
  EXPECT_THROW(stand.lane("big", "problem"), Error);
  const auto hangs = stand.lane("hangs", "problem"), good = stand.lane("good", "problem");
  good->sample();
  const double before_s = stand.now_s();
  EXPECT_THROW(hangs->warm_up(1), ContextLost);
  EXPECT_DOUBLE_EQ(stand.now_s() - before_s, device.timeout_s);
  EXPECT_THROW(good->sample(), ContextLost);
  EXPECT_THROW(stand.lane("good", "problem"), ContextLost);
}

/// How a child process that samples `variant` ends: waitpid's status, or nothing while it still runs after 200 ms.
std::optional<int> end_of_child(const RecordedDevice& device, const char* variant) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      RecordedStand stand(device);
      stand.lane(variant, "problem")->sample();
    } catch (...) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  for (int i = 0; i < 20; ++i) {
    if (::waitpid(child, &status, WNOHANG) == child) return status;
    ::usleep(10'000);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return {};
}

TEST(RecordedStand, ReallyBlocksAndCrashesWhenAsked) {
  RecordedDevice device = RecordedDevice::h200();
  device.really = true;
  device.faults = {{"hangs", "", RecordedFault::Hang}, {"crashes", "", RecordedFault::Crash}};
  EXPECT_EQ(end_of_child(device, "hangs"), std::nullopt);
  const std::optional<int> crashed = end_of_child(device, "crashes");
  ASSERT_TRUE(crashed);
  EXPECT_TRUE(WIFSIGNALED(*crashed) && WTERMSIG(*crashed) == SIGABRT);
  EXPECT_EQ(end_of_child(device, "good"), 0);
}

}  // namespace
}  // namespace qoq::measure
