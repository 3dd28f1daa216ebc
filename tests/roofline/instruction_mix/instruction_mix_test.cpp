#include "roofline/instruction_mix/instruction_mix.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/base/error.h"
#include "kernels/families.h"
#include "tests/roofline/instruction_mix/handmade_cubin.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

constexpr uint64_t kNop = 0x7918, kImma = 0x7237, kLop3 = 0x7812, kImad = 0x7824, kExit = 0x794d;

std::vector<EntryCode> read(const std::string& bytes) { return read_cubin(std::as_bytes(std::span(bytes))); }

TEST(InstructionMix, ReadsAHandmadeKernelInBothAbis) {
  for (const bool old_abi : {false, true}) {
    HandmadeCubin cubin{.architecture = 80, .old_abi = old_abi, .shared_bytes = 4000};
    cubin.code = {word(kLop3), word(kExit), branch_sm80(-1), word(kNop)};
    const auto entries = read(cubin.bytes());
    ASSERT_EQ(entries.size(), 1u);
    const EntryCode& code = entries[0];
    EXPECT_EQ(code.name, "k");
    EXPECT_EQ(code.architecture, 80);
    EXPECT_EQ(code.registers, 40);
    EXPECT_EQ(code.stack_bytes, 16);
    EXPECT_EQ(code.static_shared_bytes, 4000);
    EXPECT_EQ(code.mix.total(), 4);
    EXPECT_EQ(code.mix.issued(), 3) << "a NOP fills the schedule";
    EXPECT_TRUE(code.loops.empty()) << "a branch to itself is the kernel's end";
    EXPECT_EQ(code.main(), nullptr);
  }
}

TEST(InstructionMix, LeavesOutTheSystemsSharedMemory) {
  HandmadeCubin cubin{.architecture = 90, .code = {branch_sm90(-1)}, .shared_bytes = 1024 + 4000};
  EXPECT_EQ(read(cubin.bytes())[0].static_shared_bytes, 4000);
  cubin.shared_bytes = 0;
  EXPECT_EQ(read(cubin.bytes())[0].static_shared_bytes, 0);
}

TEST(InstructionMix, FindsTheLoopWithTheMostMmasAndItsInnermostForm) {
  for (const int architecture : {80, 90}) {
    const auto branch = [&](int64_t by) { return architecture == 80 ? branch_sm80(by) : branch_sm90(by); };
    HandmadeCubin cubin{.architecture = architecture, .code = {}};
    cubin.code = {word(kImma), branch(-2),                                         // 0–1: one MMA
                  word(kLop3), word(kImma), word(kImma), word(kImad), branch(-4),  // 2–6: inner loop at 3
                  word(kLop3), branch(-7),                                         // 2–8: outer loop, the same MMAs
                  word(kExit), branch(-1)};
    const EntryCode code = read(cubin.bytes())[0];
    ASSERT_EQ(code.loops.size(), 3u) << "sm_" << architecture;
    EXPECT_EQ(code.unresolved_branches, 0);
    ASSERT_NE(code.main(), nullptr);
    EXPECT_EQ(code.main()->begin, 3);
    EXPECT_EQ(code.main()->end, 6);
    EXPECT_EQ(code.main()->mma(), 2);
    EXPECT_EQ(code.main()->mix[Pipe::FmaHeavy], 1);
    EXPECT_EQ(code.loops[1].end, 8) << "outer before inner";
  }
}

// BRA.DIV, to where lanes that have parted do one by one what they else do together: behind the kernel's EXIT, and
// back.
TEST(InstructionMix, WhatLiesBehindTheExitIsNoLoop) {
  HandmadeCubin cubin{.architecture = 80, .code = {}};
  auto diverged = branch_sm80(2);
  diverged.first |= uint64_t{0x7f} << 24 | uint64_t{2} << 32;  // a register's bits, two of them below the offset
  cubin.code = {word(kImma),    diverged,   branch_sm80(-3),   // 0–2: the loop
                word(kExit),    word(kNop), branch_sm80(-5),   // 3, then 5: back into the loop
                branch_sm80(-1)};
  const EntryCode code = read(cubin.bytes()).at(0);
  EXPECT_EQ(code.unresolved_branches, 0);
  ASSERT_EQ(code.loops.size(), 1u);
  EXPECT_EQ(code.loops[0].begin, 0);
  EXPECT_EQ(code.loops[0].end, 2);
}

TEST(InstructionMix, TrustsNoBranchWhenTheEndDoesNotBranchToItself) {
  HandmadeCubin cubin{.architecture = 80, .code = {word(kImma), branch_sm80(-2), word(kExit), branch_sm80(-2)}};
  const EntryCode code = read(cubin.bytes())[0];
  EXPECT_TRUE(code.loops.empty());
  EXPECT_EQ(code.unresolved_branches, 2);
  EXPECT_NE(describe(code).find("2 branches not decoded"), std::string::npos);
}

TEST(InstructionMix, CountsAndShowsWhatItDoesNotKnow) {
  HandmadeCubin cubin{.architecture = 80, .code = {word(0x7ab4), word(0x7ab4), branch_sm80(-1)}};
  const EntryCode code = read(cubin.bytes())[0];
  EXPECT_EQ(code.unknown(), 2);
  EXPECT_EQ(code.mix.named("?ab4"), 2);
  EXPECT_NE(describe(code).find("?ab4=2"), std::string::npos);
}

TEST(InstructionMix, TellsOpcodesApartByArchitectureAndForm) {
  EXPECT_EQ(decode(80, 0x7235, 0).name, "HFMA2.MMA");
  EXPECT_EQ(decode(120, 0x7235, 0).name, "IADD.64");
  EXPECT_EQ(decode(120, 0x7235, 0).pipe, Pipe::Alu);
  EXPECT_EQ(decode(100, 0x7235, 0).pipe, Pipe::Unknown);
  EXPECT_EQ(decode(90, 0x79ab, 0).name, "ERRBAR");
  EXPECT_EQ(decode(90, 0x75ab, 0).name, "CGAERRBAR");
  EXPECT_EQ(decode(80, 0x73c2, 0).name, "R2UR");
  EXPECT_EQ(decode(90, 0x72ca, 0).name, "R2UR");
}

TEST(InstructionMix, KnowsHowManySharedBytesAWarpMoves) {
  EXPECT_EQ(decode(80, 0x7984, 4 << 9).shared_bytes, 128);  // LDS
  EXPECT_EQ(decode(80, 0x7984, 6 << 9).shared_bytes, 512);  // LDS.128
  EXPECT_EQ(decode(80, 0x783b, 2 << 8).shared_bytes, 512);  // LDSM.x4
  EXPECT_EQ(decode(80, 0x783b, 0).shared_bytes, 128);       // LDSM.x1
  EXPECT_EQ(decode(80, 0x7981, 6 << 9).shared_bytes, 0) << "LDG is none of it";
  EXPECT_EQ(decode(80, 0x7981, 6 << 9).global_bytes, 512);
  // LDGSTS.64, .128: another field from sm_100 on
  EXPECT_EQ(decode(90, 0x7fae, 5 << 9).shared_bytes, 256);
  EXPECT_EQ(decode(90, 0x7fae, 5 << 9).global_bytes, 256);
  EXPECT_EQ(decode(100, 0x7fae, 5 << 9).global_bytes, 512);
  EXPECT_EQ(decode(120, 0x7fae, 4 << 9).shared_bytes, 512);
}

TEST(InstructionMix, CountsPerWeight) {
  Loop loop;
  for (int i = 0; i < 4; ++i) loop.mix.add(decode(80, kImma, 0));
  for (int i = 0; i < 24; ++i) loop.mix.add(decode(80, kLop3, 0));
  for (int i = 0; i < 8; ++i) loop.mix.add(decode(80, kImad, 0));
  loop.mix.add(decode(80, kNop, 0));
  // 4 MMAs of 128 weights: 512 weights a warp, 16 a thread.
  const auto cost = per_weight(loop, 128);
  ASSERT_TRUE(cost.has_value());
  EXPECT_DOUBLE_EQ(cost->alu, 24.0 / 16);
  EXPECT_DOUBLE_EQ(cost->fma, 8.0 / 16);
  EXPECT_DOUBLE_EQ(cost->cuda_core, 32.0 / 16);
  EXPECT_DOUBLE_EQ(cost->issued, 36.0 / 16);
  EXPECT_FALSE(per_weight(Loop{}, 128).has_value());
}

TEST(InstructionMix, RefusesAnArchitectureWithoutATable) {
  HandmadeCubin cubin{.architecture = 75, .code = {branch_sm80(-1)}};
  try {
    read(cubin.bytes());
    FAIL() << "sm_75 was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.fault(), Fault::Input);
    EXPECT_NE(std::string(e.what()).find("sm_75"), std::string::npos);
  }
}

class CompiledMix : public testing::TestWithParam<const char*> {
 protected:
  std::vector<EntryCode> compile(const std::string& source) {
    const auto cubin = compile_probe(source, GetParam());
    if (!cubin) return {};
    return read(*cubin);
  }
};

TEST_P(CompiledMix, NamesEveryInstructionOfTheVocabulary) {
  const auto entries = compile(vocabulary_source());
  if (entries.empty()) GTEST_SKIP() << "NVRTC is not here: the opcode table is not held against compiled kernels";
  ASSERT_EQ(entries.size(), 1u);
  const EntryCode& code = entries[0];
  EXPECT_EQ(code.name, "probe");
  EXPECT_EQ(code.unknown(), 0) << describe(code);
  EXPECT_EQ(code.unresolved_branches, 0);
  EXPECT_GT(code.registers, 20);
  ASSERT_NE(code.main(), nullptr);
  EXPECT_EQ(code.main()->mix.named("IMMA"), 3) << describe(code);
  EXPECT_EQ(code.main()->mix.named("HMMA"), 3) << describe(code);
  EXPECT_EQ(code.main()->mix.named("LDSM"), 5);
  EXPECT_EQ(code.main()->mix.named("IDP"), 1);
  EXPECT_GE(code.loops.size(), 2u) << "the spin on load_acquire lies inside the main loop";
}

TEST_P(CompiledMix, ReadsSharedMemoryRegistersAndStack) {
  const auto entries = compile(R"(
    extern "C" __global__ void holds(int* o, int n) {
      __shared__ int s[1000]; s[threadIdx.x] = n; __syncthreads(); o[threadIdx.x] = s[n];
    }
    extern "C" __global__ void spills(int* o, int n) {
      int t[64]; for (int i = 0; i < 64; ++i) t[i * n & 63] = o[i]; o[0] = t[o[65] & 63] + t[n];
    })");
  if (entries.empty()) GTEST_SKIP() << "NVRTC is not here: resources are not read from compiled kernels";
  for (const EntryCode& code : entries) {
    EXPECT_EQ(code.static_shared_bytes, code.name == "holds" ? 4000 : 0) << code.name;
    EXPECT_EQ(code.stack_bytes, code.name == "spills" ? 256 : 0) << code.name;
    EXPECT_GT(code.registers, 0) << code.name;
  }
}

TEST_P(CompiledMix, NamesEveryInstructionOfTheGemmFamily) {
  const Family& family = family_named("gemm/mma");
  for (const char* scheme : {"w4a8-g128", "w4a8-channel", "w8a8"}) {
    for (const int m : {16, 128, 1024}) {
      const Problem problem = parse_problem(fmt::format("gemm {} m={} n=4096 k=8192", scheme, m));
      const Point point = family.published(problem).value();
      const auto entries = compile(family.source(point, problem).text);
      if (entries.empty()) GTEST_SKIP() << "NVRTC is not here: the family's kernels are not read";
      const EntryCode& code = entries[0];
      const std::string id = family.variant(point, problem);
      EXPECT_EQ(code.unknown(), 0) << id << "\n" << describe(code);
      ASSERT_NE(code.main(), nullptr) << id;
      // The main loop holds whole k-tiles of a warp.
      const int tile =
          point.at("warp_m") / 16 * (point.at("warp_n") / 8) * (point.at("block_k") / 32) / point.at("slices");
      EXPECT_EQ(code.main()->mma() % tile, 0) << id << "\n" << describe(code);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Architectures, CompiledMix,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace qoq::roofline
