#include "roofline/model/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace qoq::roofline {
namespace {

const Gpu& h200() {
  static const Gpu gpu = embedded_gpus().at("h200");
  return gpu;
}

Mix mix(int mma, int alu, int imad, int shared_loads, int barriers) {
  Mix all;
  const auto add = [&](int count, std::string_view name, Pipe pipe, int shared_bytes) {
    for (int i = 0; i < count; ++i) all.add({0, name, pipe, shared_bytes});
  };
  add(mma, "IMMA", Pipe::Tensor, 0);
  add(alu, "LOP3", Pipe::Alu, 0);
  add(imad, "IMAD", Pipe::FmaHeavy, 0);
  add(shared_loads, "LDSM", Pipe::Lsu, 512);
  add(barriers, "BAR", Pipe::Control, 0);
  return all;
}

/// A 128×128×64 GEMM of m = n = k = 4096 with 8 warps of 64×32, roughly as W4A8 does it.
struct Kernel {
  EntryCode code;
  Launch launch;
  Traffic traffic;
  Work work;

  Kernel() {
    code.registers = 128;
    code.loops = {{0, 0, mix(32, 60, 24, 12, 1)}};
    code.main_loop = 0;
    code.mix = mix(32, 260, 100, 30, 3);
    launch = {"k", {32, 32, 1}, {256, 1, 1}, {}, 3 * 12288};
    traffic.dram_read_bytes = 25e6;
    traffic.dram_write_bytes = 33.5e6;
    traffic.l2_read_bytes = 1024 * (128 + 64) * 4096.0;
    traffic.mma_instructions = 4096.0 * 4096 * 4096 / 4096;
    traffic.pipeline_stages = 3;
    work = {2.0 * 4096 * 4096 * 4096, "int8", 25e6, 33.5e6};
  }
  Prediction predict() const { return roofline::predict(h200(), code, launch, traffic, work); }
};

TEST(Occupancy, NamesWhatLimits) {
  const Device& device = h200().device;
  Kernel kernel;
  kernel.code.registers = 168;  // 5376 a warp: three warps in a scheduler's 16384, so twelve in all
  auto o = occupancy(device, kernel.code, kernel.launch);
  EXPECT_EQ(o.blocks_per_sm, 1);
  EXPECT_EQ(o.limiter, "registers");
  kernel.code.registers = 32;
  kernel.launch.shared_bytes = 75 * 1024;  // 3 · 76 KiB fill 228 exactly
  o = occupancy(device, kernel.code, kernel.launch);
  EXPECT_EQ(o.blocks_per_sm, 3) << "the reserved KiB counts";
  EXPECT_EQ(o.limiter, "shared memory");
  EXPECT_EQ(o.warps_per_sm, 24);
  kernel.code.static_shared_bytes = 128;
  EXPECT_EQ(occupancy(device, kernel.code, kernel.launch).blocks_per_sm, 2);
  kernel.launch.shared_bytes = 0;
  EXPECT_EQ(occupancy(device, kernel.code, kernel.launch).limiter, "registers");
  kernel.code.registers = 24;
  EXPECT_EQ(occupancy(device, kernel.code, kernel.launch).limiter, "threads");
  kernel.launch.block = {32, 1, 1};
  EXPECT_EQ(occupancy(device, kernel.code, kernel.launch).limiter, "blocks");
  EXPECT_EQ(occupancy(device, kernel.code, kernel.launch).blocks_per_sm, 32);
}

TEST(Model, AKernelThatDoesNotFitTakesForEver) {
  Kernel kernel;
  kernel.launch.shared_bytes = 227 * 1024;
  EXPECT_TRUE(std::isfinite(kernel.predict().total_us));
  kernel.launch.shared_bytes += 1;
  const Prediction p = kernel.predict();
  EXPECT_TRUE(std::isinf(p.total_us));
  EXPECT_EQ(p.limiter, "shared memory");
}

TEST(Model, PartsByHand) {
  const Prediction p = Kernel().predict();
  // 1024 CTAs on 132 SMs: the busiest has 8.
  EXPECT_EQ(p.blocks, 1024);
  EXPECT_DOUBLE_EQ(p.tail_efficiency, 1024.0 / 132 / 8);
  EXPECT_EQ(p.residency.blocks_per_sm, 2);
  EXPECT_DOUBLE_EQ(p.waves, 1024.0 / 264);
  EXPECT_NEAR(p.dram_us, 58.5e6 / 4626e3, 1e-6);
  EXPECT_NEAR(p.l2_us, (1024 * 192 * 4096.0 + 33.5e6) / (4472 * 1980), 1e-6);
  // 4096³ multiply-adds at 4096 · 0.629 a clock: the busiest SM has 8 of 1024 CTAs.
  const double macs = std::pow(4096.0, 3) * 8 / 1024;
  EXPECT_NEAR(p.tensor_us, macs / (h200().tensor.at("int8").macs_per_clock_sm * 0.629) / 1830, 1e-6);
  // 64 trips of 60 ALU instructions and 200 outside, for 8 CTAs of 8 warps, at 64 lanes a clock.
  EXPECT_NEAR(p.alu_us, 8 * 8 * (64 * 60 + 200) * 32.0 / 64 / 1980, 1e-6);
  EXPECT_NEAR(p.fma_us, 8 * 8 * (64 * 24 + 76) * 32.0 / 64 / 1980, 1e-6);
  EXPECT_EQ(p.residency.limiter, "registers");
  for (const auto& [name, us] : p.parts()) EXPECT_LE(us, p.total_us) << name;
  EXPECT_GE(p.total_us, p.speed_of_light_us);
}

TEST(Model, IsDeterministic) { EXPECT_EQ(Kernel().predict().total_us, Kernel().predict().total_us); }

// More of anything that costs is never faster.
TEST(Model, IsMonotone) {
  struct Knob {
    const char* name;
    std::function<void(Kernel&, double)> turn;
  };
  const auto body = [](std::string_view name, Pipe pipe, int bytes) {
    return [=](Kernel& kernel, double by) {
      for (int i = 0; i < static_cast<int>(by * 20); ++i)
        kernel.code.loops[0].mix.add({0, name, pipe, bytes}), kernel.code.mix.add({0, name, pipe, bytes});
    };
  };
  const Knob knobs[] = {
      {"DRAM reads", [](Kernel& k, double by) { k.traffic.dram_read_bytes *= 1 + by; }},
      {"DRAM writes", [](Kernel& k, double by) { k.traffic.dram_write_bytes *= 1 + by; }},
      {"L2 reads", [](Kernel& k, double by) { k.traffic.l2_read_bytes *= 1 + by; }},
      {"MMAs", [](Kernel& k, double by) { k.traffic.mma_instructions *= 1 + by; }},
      {"fewer stages", [](Kernel& k, double by) { k.traffic.pipeline_stages = by > 1     ? 1
                                                                              : by > 0.4 ? 2
                                                                                         : 3; }},
      {"ALU", body("LOP3", Pipe::Alu, 0)},
      {"IMAD", body("IMAD", Pipe::FmaHeavy, 0)},
      {"FFMA", body("FFMA", Pipe::Fma, 0)},
      {"HFMA2", body("HFMA2", Pipe::Fp16, 0)},
      {"I2F", body("I2F", Pipe::Xu, 0)},
      {"shared loads", body("LDS", Pipe::Lsu, 512)},
      {"barriers", body("BAR", Pipe::Control, 0)},
      {"requests for one line", [](Kernel& k, double by) { k.traffic.same_line_requests += 1000 * by; }},
      {"steps of a merge", [](Kernel& k, double by) { k.traffic.merge_steps += by; }},
      {"bytes of a merge", [](Kernel& k, double by) { k.traffic.merge_bytes += 1000 * by; }},
  };
  for (const double m : {1., 16., 4096.}) {  // decode, too
    for (const Knob& knob : knobs) {
      double before = 0;
      for (double by = 0; by < 8; by = by * 1.5 + 0.1) {
        Kernel kernel;
        kernel.traffic.mma_instructions *= std::max(m, 128.) / 4096;
        kernel.traffic.l2_read_bytes *= m / 4096;
        kernel.launch.grid = {static_cast<uint32_t>(std::ceil(m / 128)), 32, 1};
        knob.turn(kernel, by);
        const double total = kernel.predict().total_us;
        EXPECT_GE(total, before * (1 - 1e-12)) << knob.name << " by " << by << " at m = " << m;
        before = total;
      }
    }
  }
}

TEST(Model, FasterHardwareIsNeverSlower) {
  for (const auto& [key, unused] : Gpu(h200()).rates()) {
    const bool cost = key.starts_with("latency.") || key == "launch" || key == "block" || key == "same_line";
    Gpu better = h200();
    for (const auto& [name, rate] : better.rates())
      if (name == key) rate->value *= cost ? 0.7 : 1.3;
    // A tensor rate is listed at its clock: another clock alone leaves the product as it was.
    better.settle();
    const Kernel kernel;
    EXPECT_LE(predict(better, kernel.code, kernel.launch, kernel.traffic, kernel.work).total_us,
              kernel.predict().total_us * (1 + 1e-12))
        << key;
  }
}

TEST(Model, NamesTheLimiter) {
  Kernel kernel;
  kernel.traffic.dram_read_bytes = 5e9;
  kernel.traffic.l2_read_bytes = 5e9;
  kernel.traffic.pipeline_stages = 8;
  kernel.launch.shared_bytes = 100 * 1024;
  EXPECT_EQ(kernel.predict().limiter, "dram");
  EXPECT_NEAR(kernel.predict().total_us, 5e9 / 4626e3, 0.2 * 5e9 / 4626e3);
  for (int i = 0; i < 4000; ++i) kernel.code.loops[0].mix.add({0, "LOP3", Pipe::Alu, 0});
  EXPECT_EQ(kernel.predict().limiter, "alu");
}

// Little's law: one SM with 8 KiB in flight cannot draw what 32 KiB draw.
TEST(Model, FewBytesInFlightHoldBackSmallGrids) {
  Kernel kernel;
  kernel.launch.grid = {1, 32, 1};
  kernel.traffic = {8.9e6, 131072, 8.9e6, 1024 * 256, 2};
  kernel.launch.shared_bytes = 2 * 8192;
  const Prediction shallow = kernel.predict();
  kernel.traffic.pipeline_stages = 5;
  kernel.launch.shared_bytes = 5 * 8192;
  const Prediction deep = kernel.predict();
  EXPECT_NEAR(shallow.in_flight_us, 8.9e6 / 32 / 8192 * (656 + 680) / 1980, 1e-6);
  EXPECT_NEAR(deep.in_flight_us, shallow.in_flight_us / 4, 1e-6);
  EXPECT_LT(deep.total_us, shallow.total_us);
  EXPECT_GT(shallow.in_flight_us, shallow.dram_us);
}

// What a thread has under way in registers counts as much as what lies in shared memory.
TEST(Model, LoadsInRegistersAreInFlightToo) {
  Kernel kernel;
  kernel.launch.shared_bytes = 0;
  kernel.launch.grid = {1, 32, 1};
  kernel.traffic = {8.9e6, 0, 8.9e6, 0, 2};
  const Prediction one = kernel.predict();
  kernel.traffic.pipeline_stages = 9;
  const Prediction eight = kernel.predict();
  const double threads = static_cast<double>(kernel.launch.block.count());
  EXPECT_NEAR(one.in_flight_us, 8.9e6 / 32 / (16 * threads) * (656 + 680) / 1980, 1e-6);
  EXPECT_NEAR(eight.in_flight_us, one.in_flight_us / 8, 1e-6);
  kernel.traffic.pipeline_stages = 1 << 20;  // a CTA cannot have more under way than it loads
  EXPECT_NEAR(kernel.predict().in_flight_us, (656.0 + 680) / 1980, 1e-6);
}

// A merge of partial results: no MMA, no stage in shared memory, no arithmetic to have a rate for.
TEST(Model, AKernelWithoutMmasIsOnePassOfItsCode) {
  Kernel kernel;
  kernel.code.loops = {{0, 0, mix(0, 40, 10, 2, 0)}};
  kernel.code.main_loop.reset();
  kernel.code.mix = mix(0, 100, 30, 4, 1);
  kernel.launch = {"merge", {256, 1, 1}, {128, 1, 1}, {}, 0};
  kernel.traffic = {};
  kernel.traffic.l2_read_bytes = 256 * 8192;
  kernel.work = {};
  const Prediction p = kernel.predict();
  ASSERT_TRUE(std::isfinite(p.total_us));
  EXPECT_EQ(p.tensor_us, 0);
  EXPECT_EQ(p.dram_us, 0);
  EXPECT_EQ(p.speed_of_light_us, 0);
  EXPECT_NEAR(p.alu_us, 2 * 4 * 100 * 32.0 / 64 / 1980, 1e-6) << "two CTAs of four warps on the busiest SM";
  // Each thread has 16 bytes under way: 8192 bytes are four trips to L2.
  EXPECT_NEAR(p.in_flight_us, 4 * (h200().latency.l2.value + h200().latency.queue.value) / 1980, 1e-6);
  EXPECT_LT(p.total_us, 10);
}

// An operator in half precision: m16n8k16 MMAs at the fp16 rate.
TEST(Model, HalfPrecisionHasItsOwnMmaAndRate) {
  Kernel kernel;
  kernel.work.arithmetic = "fp16";
  const double macs = std::pow(4096.0, 3) / 2 * 8 / 1024;  // the same number of MMAs, half as deep
  EXPECT_NEAR(kernel.predict().tensor_us, macs / (h200().tensor.at("fp16").macs_per_clock_sm * 0.629) / 1830, 1e-6);
}

TEST(Model, AGridOfOneMoreThanAWavePaysForIt) {
  Kernel kernel;
  kernel.launch.grid = {132, 1, 1};
  const double full = kernel.predict().tensor_us * kernel.launch.grid.x;
  kernel.launch.grid = {133, 1, 1};
  const Prediction p = kernel.predict();
  EXPECT_NEAR(p.tensor_us * 133 / full, 2, 1e-9);
  EXPECT_NEAR(p.tail_efficiency, 133.0 / 264, 1e-9);
}

// 396 of 512 CTAs run at a time; the rest find whole SMs free, one after the other, and crowd there.
TEST(Model, WhatIsLeftAfterFullGenerationsPilesUp) {
  Kernel kernel;
  kernel.code.registers = 96;                                      // 5 CTAs by registers …
  kernel.launch = {"k", {512, 1, 1}, {128, 1, 1}, {}, 75 * 1024};  // … 3 by shared memory
  const Prediction piled = kernel.predict();
  ASSERT_EQ(piled.residency.blocks_per_sm, 3);
  kernel.launch.shared_bytes = 54 * 1024;  // 4: one generation
  const Prediction once = kernel.predict();
  ASSERT_EQ(once.residency.blocks_per_sm, 4);
  // 3 CTAs, then half way between 1 and 3: 5 against 4 on the busiest SM.
  EXPECT_NEAR(piled.alu_us / once.alu_us, 5.0 / 4, 1e-9);
  EXPECT_NEAR(piled.dram_us, once.dram_us, 1e-9) << "the same bytes";
  EXPECT_GT(piled.total_us, once.total_us);
  EXPECT_NEAR(piled.chain_us / once.chain_us, 2, 1e-9) << "two CTAs one after the other";
}

TEST(Model, RequestsForOneLineWaitForEachOther) {
  Kernel kernel;
  const double before = kernel.predict().total_us;
  kernel.traffic.same_line_requests = 1e6;
  const Prediction p = kernel.predict();
  EXPECT_NEAR(p.same_line_us, 1e6 * 1.25 / 1980, 1e-6);
  EXPECT_GE(p.total_us, p.same_line_us);
  EXPECT_GT(p.total_us, before);
  EXPECT_EQ(p.limiter, "same_line");
}

TEST(Model, AMergeStandsBehindTheMainLoop) {
  Kernel kernel;
  const double before = kernel.predict().total_us;
  kernel.traffic.merge_steps = 5;
  kernel.traffic.merge_bytes = 32768;
  const Prediction p = kernel.predict();
  EXPECT_NEAR(p.merge_us, (5 * 336 + 32768 / (4472.0 / 132)) / 1980, 1e-6);
  EXPECT_NEAR(p.total_us, before + p.merge_us, 1e-9);
}

// A single CTA can do nothing at its barriers; two fill each other's.
TEST(Model, OtherCtasFillTheTimeAtABarrier) {
  Kernel kernel;
  kernel.launch.grid = {132, 1, 1};
  const Prediction alone = kernel.predict();
  kernel.launch.grid = {264, 1, 1};
  kernel.traffic.mma_instructions *= 2;  // as much a CTA
  EXPECT_NEAR(kernel.predict().barrier_us, alone.barrier_us / 2, 1e-9);
}

}  // namespace
}  // namespace qoq::roofline
