// Trip counts that the code proves, and the doubts that must end a proof.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/roofline/instruction_mix/handmade_cubin.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

using Words = std::pair<uint64_t, uint64_t>;
using Trips = std::optional<int64_t>;

constexpr uint64_t kNothing = 0xffull;                  // RZ as third source
constexpr uint64_t kPredicates = uint64_t{0x3f} << 17;  // writes none (PT, PT) …
constexpr uint64_t kTrue = uint64_t{7} << 23;           // … and is combined with PT

uint64_t immediate(int32_t value) { return uint64_t{static_cast<uint32_t>(value)} << 32; }

Words mov(uint64_t to, int32_t value) { return {0x7802 | to << 16 | immediate(value), kPredicates | kTrue}; }
Words add(uint64_t to, uint64_t from, int32_t value) {
  return {0x7810 | to << 16 | from << 24 | immediate(value), kNothing | kPredicates | kTrue};
}
/// `comparison`: LT 1, EQ 2, LE 3, GT 4, NE 5, GE 6; signed.
Words compare(uint64_t predicate, uint64_t comparison, uint64_t from, int32_t value) {
  return {0x780c | from << 24 | immediate(value),
          0x70 | uint64_t{1} << 9 | comparison << 12 | predicate << 17 | uint64_t{7} << 20 | kTrue};
}
Words under(uint64_t predicate, Words instruction) {
  return {(instruction.first & ~uint64_t{0xf000}) | predicate << 12, instruction.second};
}
Words branch_if(uint64_t predicate, int64_t by) {
  Words branch = under(predicate, branch_sm80(by));
  return {branch.first, kTrue};
}
constexpr uint64_t kNot = 8;
const Words kLop3 = {0x7812 | uint64_t{200} << 16, kPredicates | kTrue};
const Words kExit = {0x794d, kTrue};

/// The loops' trips in the order of EntryCode::loops.
std::vector<Trips> trips_of(const std::vector<Words>& body) {
  HandmadeCubin cubin{.architecture = 80, .code = body};
  cubin.code.push_back(kExit);
  cubin.code.push_back(branch_sm80(-1));
  const std::string bytes = cubin.bytes();
  const EntryCode code = read_cubin(std::as_bytes(std::span(bytes)))[0];
  std::vector<Trips> trips;
  for (const Loop& loop : code.loops) trips.push_back(loop.trips);
  return trips;
}

TEST(TripCount, IsReadFromStartStepAndBound) {
  EXPECT_EQ(trips_of({mov(5, 0), kLop3, add(5, 5, 1), compare(0, 5, 5, 3), branch_if(0, -4)}), (std::vector<Trips>{3}));
  // compared before it changes: one trip more
  EXPECT_EQ(trips_of({mov(5, 0), compare(0, 5, 5, 3), kLop3, add(5, 5, 1), branch_if(0, -4)}), (std::vector<Trips>{4}));
  // until it is at least 20, by 7 from 1: 8, 15, 22
  EXPECT_EQ(trips_of({mov(5, 1), add(5, 5, 7), compare(1, 6, 5, 20), branch_if(kNot | 1, -3)}),
            (std::vector<Trips>{3}));
  // downwards
  EXPECT_EQ(trips_of({mov(5, 8), add(5, 5, -2), compare(2, 4, 5, 0), branch_if(2, -3)}), (std::vector<Trips>{4}));
}

TEST(TripCount, OfNestedLoopsIsEachLoopsOwn) {
  EXPECT_EQ(trips_of({mov(5, 0),                                                   // 0
                      mov(6, 0),                                                   // 1, outer
                      kLop3, add(6, 6, 1), compare(0, 5, 6, 5), branch_if(0, -4),  // 2 … 5, inner
                      add(5, 5, 1), compare(1, 5, 5, 2), branch_if(1, -8)}),       // 6 … 8
            (std::vector<Trips>{2, 5}));
}

TEST(TripCount, IsNotClaimedInDoubt) {
  const auto unknown = std::vector<Trips>{std::nullopt};
  const Words next = add(5, 5, 1), test = compare(0, 5, 5, 3);
  struct Doubt {
    const char* what;
    std::vector<Words> body;
  };
  const Doubt doubts[] = {
      {"the start is not in the code", {kLop3, kLop3, next, test, branch_if(0, -4)}},
      {"the start is set under a predicate", {under(3, mov(5, 0)), kLop3, next, test, branch_if(0, -4)}},
      {"the start can be leapt over", {branch_if(1, 1), mov(5, 0), kLop3, next, test, branch_if(0, -4)}},
      {"two updates", {mov(5, 0), next, next, test, branch_if(0, -4)}},
      {"the update is predicated", {mov(5, 0), kLop3, under(2, next), test, branch_if(0, -4)}},
      {"the update can be leapt over", {mov(5, 0), branch_if(2, 1), next, test, branch_if(0, -4)}},
      {"another register's sum", {mov(5, 0), kLop3, add(5, 6, 1), test, branch_if(0, -4)}},
      {"the predicate is written again", {mov(5, 0), next, test, compare(0, 5, 9, 1), branch_if(0, -4)}},
      {"another predicate decides", {mov(5, 0), kLop3, next, test, branch_if(1, -4)}},
      {"a way out in the middle", {mov(5, 0), branch_if(2, 3), next, test, branch_if(0, -4)}},
      {"threads that end in the middle", {mov(5, 0), under(2, kExit), next, test, branch_if(0, -4)}},
      {"an instruction that is not known", {mov(5, 0), {0x7ab4, 0}, next, test, branch_if(0, -4)}},
      {"a product that covers the counter", {mov(5, 0), {0x7237 | uint64_t{4} << 16, 0}, next, test, branch_if(0, -4)}},
      {"it never ends", {mov(5, 4), kLop3, add(5, 5, 0), test, branch_if(0, -4)}},
      {"no predicate", {mov(5, 0), kLop3, next, test, branch_sm80(-4)}},
  };
  for (const Doubt& doubt : doubts) EXPECT_EQ(trips_of(doubt.body), unknown) << doubt.what;
}

class CompiledTrips : public testing::TestWithParam<const char*> {};

TEST_P(CompiledTrips, AreThoseOfTheSource) {
  const auto source = [](const std::string& loop) {
    return fmt::format(
        "#define ONCE _Pragma(\"unroll 1\")\n"
        "extern \"C\" __global__ void k(volatile int* o, int n) {{ int s = o[0];\n{}\n o[1] = s; }}",
        loop);
  };
  struct Expected {
    const char* loop;
    std::vector<Trips> trips;
  };
  const Expected all[] = {
      {"ONCE for (int i = 0; i < 7; ++i) o[2] = s += o[3];", {7}},
      {"ONCE for (int i = 0; i < 20; ++i) { __syncthreads(); o[2] = s += o[3]; }", {20}},
      {"ONCE for (int i = 0; i < 6; ++i) { s += o[i]; ONCE for (int j = 0; j < 11; ++j) o[2] = s += o[3]; }", {6, 11}},
      {"ONCE for (int i = 0; i < n; ++i) o[2] = s += o[3];", {std::nullopt}},
      {"ONCE for (int i = 0; i < 7; ++i) { o[2] = s += o[3]; if (s == 5) break; }", {std::nullopt}},
      {"ONCE for (int i = 0; i < 40; ++i) { o[2] = s += o[3]; if (s == 5) ++i; }", {std::nullopt}},
      {"ONCE for (int i = threadIdx.x; i < 400; i += 32) o[2] = s += o[3];", {std::nullopt}},
  };
  int proven = 0;
  for (const Expected& expected : all) {
    const auto cubin = compile_probe(source(expected.loop), GetParam());
    if (!cubin) GTEST_SKIP() << "NVRTC is not here: trip counts are not read from compiled kernels";
    const EntryCode code = read_cubin(std::as_bytes(std::span(*cubin)))[0];
    ASSERT_EQ(code.loops.size(), expected.trips.size()) << expected.loop << "\n" << describe(code);
    for (size_t i = 0; i < code.loops.size(); ++i) {
      proven += code.loops[i].trips.has_value();
      EXPECT_EQ(code.loops[i].trips, expected.trips[i]) << expected.loop << "\n" << describe(code);
    }
  }
  EXPECT_EQ(proven, 4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, CompiledTrips,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace qoq::roofline
