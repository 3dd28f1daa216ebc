#include "autotune/doctor/print.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/autotune/doctor/healthy.h"

namespace qoq::doctor {
namespace {

using testing::healthy;

TEST(Print, TextSaysWhatWasFoundAndWhatWorks) {
  const Findings f = healthy();
  const std::string text = to_text(f, judge(f));
  for (const char* expected :
       {"580.159.04, CUDA 13.0", "13.0  /cuda/lib64/libnvrtc.so.13", "g++ 12.2.0",
        "may be read by: everybody; this process is none", "/home/jo/.cache/qoqtune", "NVIDIA H200, sm_90a, GPU-1",
        "140.0 of 141.0 GiB free", "SM 345 MHz of 1980 MHz, memory 3201 MHz; set by: idle", "700 W", "31 °C",
        "MIG            off", "ECC            on", "others on it   none", "works    tune on cuda:0"})
    EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n" << text;
  EXPECT_EQ(text.find("fix:"), std::string::npos);
}

TEST(Print, TextPutsTheFixBelowWhatDoesNotWork) {
  Findings f = healthy();
  f.cupti = {"", "", "no CUPTI: libcupti.so.13"};
  f.gpu->others = {{4711, 3072.0}, {12, std::nullopt}};
  f.gpu->mig = runtime::Mig{true, "1g.18gb"};
  const std::string text = to_text(f, judge(f));
  for (const char* expected :
       {"fails    counters on cuda:0\n           why: no CUPTI: libcupti.so.13\n           fix: Install CUPTI",
        "limited  tune on cuda:0", "process 4711 (3072 MiB), process 12", "on, 1g.18gb"})
    EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n" << text;
}

TEST(Print, TextOfAMachineWithoutAGpu) {
  Findings f = healthy();
  f.driver = DriverFinding{};
  f.driver.reason = "no CUDA driver: libcuda.so.1";
  f.gpu.reset();
  const std::string text = to_text(f, judge(f));
  EXPECT_NE(text.find("driver         no CUDA driver: libcuda.so.1\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("product"), std::string::npos);
  EXPECT_NE(text.find("fails    tune on cuda:0 (as above)\n"), std::string::npos) << "one reason is said once";
}

TEST(Print, WhatTheGpuDoesNotSayIsNotKnown) {
  Findings f = healthy();
  GpuFinding& gpu = *f.gpu;
  gpu.power_cap_w.reset();
  gpu.sm_clock_mhz.reset();
  gpu.mig.reset();
  gpu.ecc.reset();
  gpu.others.reset();
  const std::string text = to_text(f, judge(f));
  for (const char* expected : {"power cap      not known", "SM not known of 1980 MHz", "MIG            not there",
                               "ECC            not known", "others on it   not known"})
    EXPECT_NE(text.find(expected), std::string::npos) << expected << "\n" << text;
}

TEST(Print, JsonHoldsTheSame) {
  Findings f = healthy();
  f.gpu->others = {{4711, 3072.0}, {12, std::nullopt}};
  f.gpu->ecc.reset();
  auto json = nlohmann::json::parse(to_json(f, judge(f)));
  EXPECT_EQ(json.at("target"), "cuda:0");
  EXPECT_EQ(json.at("machine").at("driver").at("version"), "580.159.04");
  EXPECT_EQ(json.at("machine").at("cupti").at("version"), "13.0.1");
  EXPECT_EQ(json.at("machine").at("counters").at("access"), "everybody");
  EXPECT_EQ(json.at("gpu").at("power_cap_w"), 700);
  EXPECT_EQ(json.at("gpu").at("clock_reasons"), "idle");
  EXPECT_TRUE(json.at("gpu").at("ecc").is_null());
  EXPECT_EQ(json.at("gpu").at("other_processes").at(0).at("pid"), 4711);
  EXPECT_TRUE(json.at("gpu").at("other_processes").at(1).at("memory_mib").is_null());
  ASSERT_EQ(json.at("abilities").size(), 7u);
  EXPECT_EQ(json.at("abilities").at(3).at("verdict"), "limited");
  EXPECT_TRUE(json.at("abilities").at(3).at("obstacles").at(0).contains("fix"));
  f.gpu.reset();
  json = nlohmann::json::parse(to_json(f, judge(f)));
  EXPECT_TRUE(json.at("gpu").is_null());
}

}  // namespace
}  // namespace qoq::doctor
