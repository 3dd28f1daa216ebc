#include "kernels/runtime/nvml.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/kernels/runtime/fake_nvml.h"

namespace qoq::runtime {
namespace {

namespace fs = std::filesystem;
using testing::FakeNvml;

constexpr const char* kGpu = "GPU-01234567-89ab-cdef-0123-456789abcdef";
constexpr const char* kMig = "MIG-aaaaaaaa-89ab-cdef-0123-456789abcdef";

/// The fake library, held open so that its answers last from one Nvml to the next.
class Fake {
 public:
  explicit Fake(const fs::path& file = FAKE_NVML) : file_(file), library_(Library::open(file)) {
    EXPECT_TRUE(library_) << library_.reason();
    answers() = FakeNvml{};
    answers().uuid = kGpu;
    answers().mig_uuid = kMig;
  }
  FakeNvml& answers() { return *library_.find_as<FakeNvml*>("fake_nvml"); }
  Nvml nvml(const std::string& uuid = kGpu) { return {uuid, file_}; }

 private:
  fs::path file_;
  Library library_;
};

void expect_nothing(const Nvml& nvml) {
  EXPECT_FALSE(nvml.power_cap_w());
  EXPECT_FALSE(nvml.mig());
  EXPECT_FALSE(nvml.sm_clock_mhz());
  EXPECT_FALSE(nvml.memory_clock_mhz());
  EXPECT_FALSE(nvml.max_sm_clock_mhz());
  EXPECT_FALSE(nvml.temperature_c());
  EXPECT_FALSE(nvml.ecc());
  EXPECT_FALSE(nvml.persistence());
  EXPECT_FALSE(nvml.memory());
  EXPECT_FALSE(nvml.clock_reasons());
  EXPECT_FALSE(nvml.throttle_reasons());
}

TEST(Nvml, TellsWhatTheLibrarySays) {
  Fake fake;
  FakeNvml& answers = fake.answers();
  answers.driver = "580.159.04";
  answers.nvml = "13.580.159.04";
  answers.count = 8;
  answers.enforced_milliwatts = 699500;
  answers.limit_milliwatts = 700000;
  answers.mig_mode = 0;
  answers.sm_clock = 1980;
  answers.memory_clock = 3201;
  answers.max_sm_clock = 1981;
  answers.temperature = 41;
  answers.ecc = 1;
  answers.persistence = 0;
  answers.free_bytes = 150'000'000'000;
  answers.total_bytes = 150'754'820'096;
  answers.reasons = 0x1 | 0x4 | 0x40;
  const Nvml nvml = fake.nvml();
  EXPECT_TRUE(nvml.available());
  EXPECT_EQ(nvml.reason(), "");
  EXPECT_EQ(nvml.path(), fs::path(FAKE_NVML));
  EXPECT_EQ(nvml.driver_version(), "580.159.04");
  EXPECT_EQ(nvml.nvml_version(), "13.580.159.04");
  EXPECT_EQ(nvml.gpu_count(), 8);
  EXPECT_EQ(nvml.power_cap_w(), 699.5) << "what is enforced comes before what was set";
  ASSERT_TRUE(nvml.mig());
  EXPECT_FALSE(nvml.mig()->enabled);
  EXPECT_EQ(nvml.sm_clock_mhz(), 1980);
  EXPECT_EQ(nvml.memory_clock_mhz(), 3201);
  EXPECT_EQ(nvml.max_sm_clock_mhz(), 1981);
  EXPECT_EQ(nvml.temperature_c(), 41);
  EXPECT_EQ(nvml.ecc(), true);
  EXPECT_EQ(nvml.persistence(), false);
  ASSERT_TRUE(nvml.memory());
  EXPECT_EQ(nvml.memory()->free_bytes, 150'000'000'000);
  EXPECT_EQ(nvml.memory()->total_bytes, 150'754'820'096);
  EXPECT_EQ(nvml.clock_reasons(), 0x45u);
  EXPECT_EQ(nvml.throttle_reasons(), 0x44u) << "being idle holds nothing back";
  answers.enforced_milliwatts = -1;
  EXPECT_EQ(nvml.power_cap_w(), 700);
}

TEST(Nvml, WhatIsNotSupportedIsNothing) {
  Fake fake;
  const Nvml nvml = fake.nvml();
  EXPECT_TRUE(nvml.available());
  EXPECT_EQ(nvml.reason(), "") << "the GPU was found";
  EXPECT_FALSE(nvml.driver_version());
  expect_nothing(nvml);
}

TEST(Nvml, AMigDeviceIsFoundUnderCudasNameAndAsksItsWholeGpu) {
  Fake fake;
  fake.answers().mig_mode = 1;
  fake.answers().mig_name = "NVIDIA H200 MIG 1g.18gb";
  fake.answers().name = "NVIDIA H200";
  fake.answers().sm_clock = 1500;
  fake.answers().enforced_milliwatts = 700000;
  for (const std::string& uuid : {std::string(kMig), "GPU-" + std::string(kMig).substr(4)}) {
    const Nvml nvml = fake.nvml(uuid);
    ASSERT_TRUE(nvml.mig()) << nvml.reason();
    EXPECT_EQ(nvml.reason(), "");
    EXPECT_TRUE(nvml.mig()->enabled);
    EXPECT_EQ(nvml.mig()->profile, "1g.18gb");
    EXPECT_EQ(nvml.sm_clock_mhz(), 1500);
    EXPECT_EQ(nvml.power_cap_w(), 700);
  }
  const Nvml whole = fake.nvml();
  EXPECT_TRUE(whole.mig()->enabled);
  EXPECT_EQ(whole.mig()->profile, "");
}

TEST(Nvml, ListsProcessesOtherThanOurs) {
  Fake fake;
  const auto self = static_cast<unsigned>(::getpid());
  fake.answers().processes = {{100, 3ull << 30}, {self, 1 << 20}, {200, 1 << 20}, {300, ~0ull}};
  const Nvml nvml = fake.nvml();
  const int64_t ours[] = {200, 999};
  const auto others = nvml.other_processes(ours);
  ASSERT_TRUE(others);
  ASSERT_EQ(others->size(), 2u);
  EXPECT_EQ(others->at(0).pid, 100);
  EXPECT_EQ(others->at(0).memory_mib, 3072);
  EXPECT_EQ(others->at(1).pid, 300);
  EXPECT_FALSE(others->at(1).memory_mib) << "the driver does not say";
  EXPECT_EQ(nvml.other_processes()->size(), 3u);

  fake.answers().processes.assign(100, {7, 0});
  EXPECT_EQ(nvml.other_processes()->size(), 100u) << "more than there was room for";
  fake.answers().processes.assign(60, {7, 0});
  fake.answers().appearing = 5;
  EXPECT_EQ(nvml.other_processes()->size(), 70u) << "they came while they were asked for";
  fake.answers().appearing = 0;
  fake.answers().processes.clear();
  EXPECT_TRUE(nvml.other_processes()->empty());
}

TEST(Nvml, AnOlderLibraryAnswersUnderItsOwnNames) {
  Fake fake(FAKE_NVML_OLD);
  fake.answers().reasons = 0x20;
  fake.answers().processes = {{100, 1 << 20}};
  const Nvml nvml = fake.nvml();
  EXPECT_EQ(nvml.throttle_reasons(), 0x20u);
  ASSERT_TRUE(nvml.other_processes());
  EXPECT_EQ(nvml.other_processes()->size(), 1u);
}

TEST(Nvml, AGpuThatItDoesNotKnow) {
  Fake fake;
  fake.answers().driver = "580.159.04";
  fake.answers().sm_clock = 1980;
  const Nvml nvml = fake.nvml("GPU-ffffffff-89ab-cdef-0123-456789abcdef");
  EXPECT_TRUE(nvml.available());
  EXPECT_EQ(nvml.reason(),
            "NVML does not know the GPU GPU-ffffffff-89ab-cdef-0123-456789abcdef: Not Found (NVML error 6)");
  EXPECT_EQ(nvml.driver_version(), "580.159.04") << "the machine is known all the same";
  expect_nothing(nvml);
  EXPECT_FALSE(nvml.other_processes());
  EXPECT_EQ(fake.nvml("").reason(), "") << "no GPU was asked for";
}

TEST(Nvml, SaysWhyItIsNotAvailable) {
  Fake fake;
  fake.answers().init_result = 9;
  fake.answers().driver = "580.159.04";
  fake.answers().sm_clock = 1980;
  {
    const Nvml nvml = fake.nvml();
    EXPECT_FALSE(nvml.available());
    EXPECT_EQ(nvml.reason(), "no NVML: nvmlInit failed: Driver Not Loaded (NVML error 9)");
    EXPECT_FALSE(nvml.driver_version());
    EXPECT_FALSE(nvml.gpu_count());
    expect_nothing(nvml);
  }
  EXPECT_EQ(fake.answers().initialised, 0) << "what never began is not ended";

  const Nvml none(kGpu, "/no/such/libnvidia-ml.so.1");
  EXPECT_FALSE(none.available());
  EXPECT_TRUE(none.reason().starts_with("no NVML: ")) << none.reason();
  expect_nothing(none);
  EXPECT_FALSE(none.other_processes());

  const Nvml other(kGpu, "libm.so.6");
  EXPECT_EQ(other.reason(), "no NVML: libm.so.6 is no NVML library");
  expect_nothing(other);
}

TEST(Nvml, EndsWhatItBegan) {
  Fake fake;
  {
    const Nvml one = fake.nvml(), two = fake.nvml("");
    EXPECT_EQ(fake.answers().initialised, 2);
  }
  EXPECT_EQ(fake.answers().initialised, 0);
}

TEST(ClockReasons, InWords) {
  EXPECT_EQ(reasons_text(0), "none");
  EXPECT_EQ(reasons_text(0x4 | 0x20), "power cap, heat");
  EXPECT_EQ(reasons_text(0x80 | 0x1000), "power brake, 0x1000");
  EXPECT_EQ(holding_back(0x1 | 0x2 | 0x100 | 0x1000), 0u);
  EXPECT_EQ(holding_back(0x1ff), 0xfcu);
}

}  // namespace
}  // namespace qoq::runtime
