#include "roofline/instruction_mix/whole_kernel.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "roofline/gpu/gpu.h"
#include "tests/roofline/instruction_mix/sampled_kernels.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

Instruction one(Pipe pipe, int global_bytes = 0) {
  return {.opcode = 1, .name = "X", .pipe = pipe, .global_bytes = global_bytes};
}

/// 0–1 prologue; 2–4 loop of 3 trips; 5–8 main loop with an inner loop 6–7; 9 epilogue loop; 10 end.
EntryCode handmade() {
  EntryCode code;
  code.architecture = 80;
  code.instructions = {one(Pipe::Alu),     one(Pipe::Lsu, 128), one(Pipe::Lsu, 512), one(Pipe::Alu),
                       one(Pipe::Control), one(Pipe::Tensor),   one(Pipe::Alu),      one(Pipe::Control),
                       one(Pipe::Tensor),  one(Pipe::Xu),       one(Pipe::Control)};
  code.instructions[10].name = "NOP";
  const auto loop = [&](int begin, int end, std::optional<int64_t> trips) {
    Loop made{begin, end, {}, trips};
    made.mix.add(
        std::span(code.instructions).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin + 1)));
    code.loops.push_back(made);
  };
  loop(2, 4, 3), loop(5, 8, std::nullopt), loop(6, 7, 10), loop(9, 9, std::nullopt);
  code.main_loop = 1;
  code.mix.add(code.instructions);
  return code;
}

TEST(WholeKernel, WeighsEveryInstructionByItsTrips) {
  const WholeKernel whole = whole_kernel(handmade(), 40);
  EXPECT_DOUBLE_EQ(whole.main_trips, 20) << "two MMAs a trip";
  EXPECT_FALSE(whole.proven);
  EXPECT_DOUBLE_EQ(whole.mmas(), 40);
  EXPECT_DOUBLE_EQ(whole[Pipe::Alu], 1 + 3 + 20 * 10);
  EXPECT_DOUBLE_EQ(whole[Pipe::Control], 3 + 20 * 10 + 1);
  EXPECT_DOUBLE_EQ(whole[Pipe::Xu], 1);
  EXPECT_DOUBLE_EQ(whole.global_bytes, 128 + 3 * 512);
  EXPECT_DOUBLE_EQ(whole.issued(), whole.total() - 1);
  EXPECT_DOUBLE_EQ(whole.per_mma(Pipe::Alu), 204.0 / 40);
  EXPECT_EQ(whole.assumed_loops, 1) << "the epilogue's";
  EXPECT_DOUBLE_EQ(whole.assumed_share, 1 / whole.issued());
  const auto weight = per_weight(whole, 128);
  ASSERT_TRUE(weight.has_value());
  EXPECT_DOUBLE_EQ(weight->alu, 32 * 204.0 / (40 * 128));
  EXPECT_DOUBLE_EQ(weight->cuda_core, 32 * 205.0 / (40 * 128));
}

TEST(WholeKernel, TakesProvenTripsOfTheMainLoopOverAnybodysCount) {
  EntryCode code = handmade();
  code.loops[1].trips = 7;
  const WholeKernel whole = whole_kernel(code, 1e6);
  EXPECT_TRUE(whole.proven);
  EXPECT_DOUBLE_EQ(whole.mmas(), 14);
}

TEST(WholeKernel, CountsOtherLoopsMmasOnce) {
  EntryCode code = handmade();
  code.instructions[0].pipe = Pipe::Tensor;
  EXPECT_DOUBLE_EQ(whole_kernel(code, 41).main_trips, 20);
  EXPECT_DOUBLE_EQ(whole_kernel(code, 41).mmas(), 41);
}

TEST(WholeKernel, WithoutAMainLoopRunsOnce) {
  EntryCode code = handmade();
  code.main_loop.reset();
  code.loops.clear();
  const WholeKernel whole = whole_kernel(code, 1000);
  EXPECT_DOUBLE_EQ(whole.mmas(), 2);
  EXPECT_DOUBLE_EQ(whole.total(), 11);
  code.instructions.resize(2);
  EXPECT_FALSE(per_weight(whole_kernel(code, 0), 128).has_value());
}

// The prologue's loads run in a loop of a constant number of trips: it counts in full.
TEST(WholeKernel, ProvesTheStagesOfAGemmAndAddsUpToItsMmas) {
  const Family& family = family_named("gemm/mma");
  const Problem problem = parse_problem("gemm w4a8-g128 m=64 n=4096 k=4096");
  const Device device = embedded_gpus().at("a100-80").device;
  Point point = family.published(problem).value();
  point["stages"] = 4;
  ASSERT_FALSE(family.unsupported(point, problem, device).has_value());
  const auto cubin = compile_probe(family.source(point, problem).text, "sm_80");
  if (!cubin) GTEST_SKIP() << "NVRTC is not here: no kernel is weighed whole";
  const EntryCode code = read_cubin(std::as_bytes(std::span(*cubin)))[0];
  ASSERT_NE(code.main(), nullptr);
  int proven = 0;
  for (const Loop& loop : code.loops) {
    if (!loop.trips || loop.end >= code.main()->begin) continue;
    EXPECT_EQ(*loop.trips, 3) << "stages less one";
    ++proven;
  }
  EXPECT_EQ(proven, 1) << describe(code);
  const Launch launch = family.plan(point, problem, device).launches.front();
  const double warps = static_cast<double>(launch.grid.count()) * static_cast<double>(launch.block.count()) / 32;
  const double mmas = family.traffic(point, problem, device).mma_instructions / warps;
  const WholeKernel whole = whole_kernel(code, mmas);
  EXPECT_NEAR(whole.mmas(), mmas, 1e-9 * mmas);
  // Per weight it costs more than the main loop alone, and less than twice that.
  const auto main = per_weight(*code.main(), 128), all = per_weight(whole, 128);
  EXPECT_GT(all->issued, main->issued);
  EXPECT_LT(all->issued, 2 * main->issued);
  // A and W once per CTA: what all warps load, tails and scales beside.
  const double loaded = whole.global_bytes * static_cast<double>(launch.block.count()) / 32;
  const double tiles = 64.0 * 4096 + point.at("block_n") * 4096.0 / 2;
  EXPECT_NEAR(loaded / tiles, 1, 0.25) << describe(code) << describe(whole);
}

}  // namespace
}  // namespace qoq::roofline
