#include "autotune/doctor/judge.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/autotune/doctor/healthy.h"

namespace qoq::doctor {
namespace {

using Lack = runtime::Driver::Lack;
using testing::healthy;

const std::string kSimulated = "tune simulated GPUs", kEmulator = "verify on the emulator",
                  kVerify = "verify on cuda:0", kTune = "tune on cuda:0", kCounters = "counters on cuda:0",
                  kActivity = "cross-check by CUPTI Activity on cuda:0", kBaselines = "baselines of cuBLASLt on cuda:0";
const std::vector<std::string> kOnGpu = {kVerify, kTune, kCounters, kActivity, kBaselines};

/// What is not as on a healthy machine: ability → verdict and the first obstacle.
struct Trouble {
  Verdict verdict;
  std::string why, fix;
};

std::map<std::string, Trouble> troubles(const Findings& findings) {
  std::map<std::string, Trouble> found;
  for (const Ability& ability : judge(findings)) {
    EXPECT_EQ(ability.obstacles.empty(), ability.verdict == Verdict::Works) << ability.name;
    for (const Obstacle& obstacle : ability.obstacles) {
      EXPECT_FALSE(obstacle.why.empty()) << ability.name;
      EXPECT_TRUE(obstacle.fix.ends_with(".")) << obstacle.fix;
    }
    if (!ability.obstacles.empty())
      found[ability.name] = {ability.verdict, ability.obstacles[0].why, ability.obstacles[0].fix};
  }
  return found;
}

/// Exactly these abilities suffer, all to the same degree, from a reason and by a fix that hold these words.
void expect_trouble(const Findings& findings, const std::vector<std::string>& names, Verdict verdict,
                    const std::string& why, const std::string& fix) {
  const auto found = troubles(findings);
  EXPECT_EQ(found.size(), names.size());
  for (const std::string& name : names) {
    ASSERT_TRUE(found.contains(name)) << name;
    EXPECT_EQ(found.at(name).verdict, verdict) << name;
    EXPECT_NE(found.at(name).why.find(why), std::string::npos) << name << ": " << found.at(name).why;
    EXPECT_NE(found.at(name).fix.find(fix), std::string::npos) << name << ": " << found.at(name).fix;
  }
}

Findings without_driver(Lack lack, const std::string& reason, int start_error = 0) {
  Findings f = healthy();
  f.driver = DriverFinding{};
  f.driver.lack = lack;
  f.driver.start_error = start_error;
  f.driver.reason = "no CUDA driver: " + reason;
  f.gpu_count = 0;
  f.gpu.reset();
  return f;
}

TEST(Judge, OnAHealthyMachineAllWorks) {
  const auto abilities = judge(healthy());
  ASSERT_EQ(abilities.size(), 7u);
  for (const Ability& ability : abilities) {
    EXPECT_EQ(ability.verdict, Verdict::Works) << ability.name;
    EXPECT_TRUE(ability.obstacles.empty()) << ability.name;
  }
}

TEST(Judge, NoDriver) {
  Findings f = without_driver(Lack::Library, "libcuda.so.1: cannot open");
  expect_trouble(f, kOnGpu, Verdict::Fails, "libcuda.so.1: cannot open", "Install the NVIDIA driver");
  f.driver.module_loaded = true;
  expect_trouble(f, kOnGpu, Verdict::Fails, "libcuda.so.1: cannot open", "--gpus all");
}

TEST(Judge, ADriverThatIsTooOldForThisProgram) {
  expect_trouble(without_driver(Lack::Function, "the installed one is too old, it lacks cuX"), kOnGpu, Verdict::Fails,
                 "too old", "Update the NVIDIA driver");
}

TEST(Judge, ADriverThatIsTooOldForNvrtc) {
  Findings f = healthy();
  f.driver.cuda_version = 12080;
  expect_trouble(f, {kVerify, kTune}, Verdict::Fails, "it knows CUDA 12.8, NVRTC 13.0", "NVRTC of CUDA 12");
  f.nvrtc.version = "12.9";
  EXPECT_TRUE(troubles(f).empty()) << "minor versions of one major version work together";
  f.driver.cuda_version = 13000;
  EXPECT_TRUE(troubles(f).empty()) << "a newer driver runs older kernels";
}

TEST(Judge, TheStub) {
  expect_trouble(without_driver(Lack::RealDriver, "libcuda.so.1 is the toolkit's stub"), kOnGpu, Verdict::Fails, "stub",
                 "LD_LIBRARY_PATH");
}

TEST(Judge, ABuildWithoutCuda) {
  expect_trouble(without_driver(Lack::Headers, "this program was built without CUDA headers"), kOnGpu, Verdict::Fails,
                 "built without", "tools/fetch_cuda");
}

TEST(Judge, NoPermission) {
  Findings f = without_driver(Lack::Start, "cuInit failed", 100);
  f.driver.closed_nodes = {"/dev/nvidia0", "/dev/nvidiactl"};
  expect_trouble(f, kOnGpu, Verdict::Fails, "no permission for the GPU's device files: /dev/nvidia0, /dev/nvidiactl",
                 "group");
}

TEST(Judge, ADriverThatDoesNotStart) {
  const std::vector<std::pair<int, std::string>> starts = {
      {100, "lspci"}, {803, "reboot"}, {802, "fabricmanager"}, {800, "compute mode"}, {999, "dmesg"}};
  for (const auto& [error, fix] : starts) {
    SCOPED_TRACE(error);
    expect_trouble(without_driver(Lack::Start, "cuInit failed", error), kOnGpu, Verdict::Fails, "cuInit failed", fix);
  }
  Findings hidden = without_driver(Lack::Start, "cuInit failed", 100);
  hidden.driver.nvml_gpus = 8;
  expect_trouble(hidden, kOnGpu, Verdict::Fails, "cuInit failed", "CUDA_VISIBLE_DEVICES");
}

TEST(Judge, AGpuThatIsNotHere) {
  Findings f = healthy();
  f.gpu.reset();
  expect_trouble(f, kOnGpu, Verdict::Fails, "cuda:0 is not here: CUDA sees 1 GPU", "qoqtune gpus");
  f.driver.nvml_gpus = 4;
  expect_trouble(f, kOnGpu, Verdict::Fails, "is not here", "CUDA_VISIBLE_DEVICES");
}

TEST(Judge, AGpuThatIsTooOld) {
  Findings f = healthy();
  f.gpu->product = "Tesla T4";
  f.gpu->architecture = "sm_75";
  f.gpu->compute_capability = 75;
  expect_trouble(f, kOnGpu, Verdict::Fails, "Tesla T4 is sm_75, the kernels need sm_80", "sim:h200");
  f.gpu->compute_capability = 80;
  EXPECT_TRUE(troubles(f).empty());
}

TEST(Judge, MissingPieces) {
  Findings f = healthy();
  f.nvrtc = {"", "", "NVRTC not found: libnvrtc.so"};
  expect_trouble(f, {kSimulated, kVerify, kTune}, Verdict::Fails, "NVRTC not found", "CUDA_HOME");

  f = healthy();
  f.host_compiler = {"", "", "no C++ compiler"};
  expect_trouble(f, {kSimulated, kEmulator}, Verdict::Fails, "no C++ compiler", "g++");

  f = healthy();
  f.cupti = {"", "", "no CUPTI: libcupti.so.13"};
  expect_trouble(f, {kCounters, kActivity}, Verdict::Fails, "no CUPTI", "nvidia-cuda-cupti");

  f = healthy();
  f.cublaslt = {"", "", "cuBLASLt is not here"};
  expect_trouble(f, {kBaselines}, Verdict::Fails, "cuBLASLt is not here", "nvidia-cublas");

  f = healthy();
  f.cache_reason = "/cache: cannot be written";
  expect_trouble(f, {kSimulated, kEmulator, kVerify, kTune}, Verdict::Fails, "cannot be written", "--cache");

  f = healthy();
  f.gpu->clock_reasons.reset();
  f.gpu->nvml_reason = "no NVML: libnvidia-ml.so.1";
  expect_trouble(f, {kTune}, Verdict::Limited, "cannot be known: no NVML", "libnvidia-ml");
}

TEST(Judge, WhoMayReadCounters) {
  Findings f = healthy();
  f.counter_access = CounterAccess::Administrators;
  expect_trouble(f, {kCounters}, Verdict::Fails, "only administrators", "NVreg_RestrictProfilingToAdminUsers=0");
  f.counter_access = CounterAccess::NotKnown;
  expect_trouble(f, {kCounters}, Verdict::Limited, "cannot be known", "refused");
  for (const auto access : {CounterAccess::Administrators, CounterAccess::NotKnown}) {
    f.counter_access = access;
    f.administrator = true;
    EXPECT_TRUE(troubles(f).empty());
  }
}

TEST(Judge, OtherProcesses) {
  Findings f = healthy();
  f.gpu->others = {{4711, 3072.0}, {12, std::nullopt}};
  expect_trouble(f, {kTune}, Verdict::Limited, "4711 (3072 MiB), 12", "wait for them");
  f.gpu->others.reset();
  EXPECT_TRUE(troubles(f).empty()) << "a driver that does not tell is no fault";
}

TEST(Judge, ClocksHeldBack) {
  Findings f = healthy();
  f.gpu->clock_reasons = 0x20 | 0x80;
  expect_trouble(f, {kTune}, Verdict::Limited, "clocks are held back: heat, power brake", "cool");
  f.gpu->clock_reasons = 0x2;
  EXPECT_TRUE(troubles(f).empty()) << "clocks that a user has set are as he wants them";
}

TEST(Judge, LittleMemory) {
  Findings f = healthy();
  f.gpu->memory->free_bytes = 3LL << 30;
  expect_trouble(f, {kTune}, Verdict::Limited, "only 3.0 GiB", "no room");
}

TEST(Judge, Mig) {
  Findings f = healthy();
  f.gpu->mig = runtime::Mig{true, "1g.18gb"};
  expect_trouble(f, {kTune, kCounters}, Verdict::Limited, "(MIG", "MIG off");
  EXPECT_NE(troubles(f).at(kTune).why.find("MIG 1g.18gb"), std::string::npos);
}

TEST(Judge, WhatSpoilsTimesIsNotSaidWhereThereAreNone) {
  Findings f = healthy();
  f.gpu->clock_reasons = 0x20;
  f.nvrtc = {"", "", "NVRTC not found"};
  for (const Ability& ability : judge(f)) {
    if (ability.name != kTune) continue;
    EXPECT_EQ(ability.verdict, Verdict::Fails);
    EXPECT_EQ(ability.obstacles.size(), 1u);
  }
}

TEST(Judge, SeveralObstaclesAreAllSaid) {
  Findings f = healthy();
  f.nvrtc = {"", "", "NVRTC not found"};
  f.cache_reason = "/cache: cannot be written";
  f.host_compiler = {"", "", "no C++ compiler"};
  EXPECT_EQ(judge(f).at(0).obstacles.size(), 3u);
  f = healthy();
  f.gpu->clock_reasons = 0x20;
  f.gpu->others = {{4711, std::nullopt}};
  EXPECT_EQ(judge(f).at(3).name, kTune);
  EXPECT_EQ(judge(f).at(3).obstacles.size(), 2u);
}

}  // namespace
}  // namespace qoq::doctor
