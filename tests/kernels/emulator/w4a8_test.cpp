// The small W4A8 kernel on Hopper's machinery: equal to the naive product in every order of events, and every mutant of
// its synchronisation caught in every order.
#include <array>
#include <utility>

#include "tests/kernels/emulator/run_kernel.h"
#include "tests/kernels/emulator/w4a8_case.h"

namespace qoq::tests {
namespace {

constexpr u32 tiles = 10;  // three turns of the ring and one more

template <Bug bug>
Result run(W4a8Case& of, const Options& options) {
  Memory memory;
  memory.add("w", of.w.data(), of.w.size());
  memory.add("x", of.x.data(), of.x.size());
  memory.add("out", of.out.data(), of.out.size() * 4, Access::Scratch);
  return run_kernel([](const W4a8Args& args) { w4a8_kernel<bug>(args); },
                    W4a8Args{of.w.data(), of.x.data(), of.out.data(), of.tiles},
                    {.threads = w4a8_threads, .shared_bytes = w4a8_shared_bytes}, memory, options);
}

TEST(W4a8, EqualsTheNaiveProduct) {
  for (const u32 of_tiles : {2u, 4u, tiles}) {
    for (const Options& options : all_options()) {
      W4a8Case of(of_tiles, static_cast<unsigned>(options.seed + of_tiles));
      const Result result = run<Bug::None>(of, options);
      ASSERT_FALSE(result.fault) << *result.fault;
      EXPECT_EQ(of.out, of.reference());
    }
  }
}

TEST(W4a8, ReadsEachByteOnce) {
  W4a8Case of(tiles, 1);
  const Counters counters = run<Bug::None>(of, {}).counters;
  EXPECT_EQ(counters.wgmmas, tiles * 2);
  EXPECT_EQ(counters.bulk_copies, tiles * 2);
  EXPECT_EQ(counters.buffers.at("w").bytes_read, of.w.size());
  EXPECT_EQ(counters.buffers.at("w").sectors_read, of.w.size() / 32);
  EXPECT_EQ(counters.buffers.at("x").bytes_read, of.x.size());
  EXPECT_EQ(counters.shared_loads.wavefronts, tiles * 4 * 4);
  EXPECT_EQ(counters.bank_conflicts(), 0u);
}

using Runs = Result (*)(W4a8Case&, const Options&);
template <size_t... I>
constexpr std::array<Runs, sizeof...(I)> all_runs(std::index_sequence<I...>) {
  return {run<static_cast<Bug>(I)>...};
}
constexpr std::array<Runs, bugs> runs = all_runs(std::make_index_sequence<bugs>{});

/// What a mutant shows as: the first is what Late landing in warp order finds.
std::vector<FaultKind> faults_of(Bug bug) {
  using enum FaultKind;
  switch (bug) {
    case Bug::None:
      return {None};
    case Bug::NoFullWait:
    case Bug::OneLaneWaits:
    case Bug::WrongFullParity:
      return {Uninitialised, Race, Deadlock, MbarrierMisuse};
    case Bug::NoEmptyWait:
      return {Race, MbarrierMisuse};
    case Bug::WrongEmptyParity:
    case Bug::CountTooHigh:
    case Bug::ExpectTooMany:
      return {Deadlock};
    case Bug::NoInitFence:
      return {MbarrierMisuse};
    case Bug::NoInitBarrier:
    case Bug::ExpectTooFew:
    case Bug::ExpectNone:
      return {MbarrierMisuse, Race, Uninitialised, Deadlock};
    case Bug::NoWarpSync:
    case Bug::OneWarpReleases:
    case Bug::ReleaseTooEarly:
      return {Race, MbarrierMisuse};
    case Bug::NoWgmmaFence:
    case Bug::NoCommit:
    case Bug::WaitTooFew:
    case Bug::OneSetOfRegisters:
    case Bug::NoLastWait:
      return {Registers, Race};
    case Bug::StoresUnfenced:
      return {MissingFence};
    case Bug::StoresUnordered:
      return {Race, Uninitialised};
    case Bug::WarpStaysAway:
      return {Divergence};
  }
  return {};
}

class W4a8Mutant : public testing::TestWithParam<u32> {};

TEST_P(W4a8Mutant, IsCaughtInEveryOrder) {
  const auto bug = static_cast<Bug>(GetParam());
  const std::vector<FaultKind> expected = faults_of(bug);
  for (const Options& options : all_options()) {
    W4a8Case of(tiles, 5);
    const Result result = runs[GetParam()](of, options);
    EXPECT_NE(std::find(expected.begin(), expected.end(), result.kind), expected.end())
        << result.fault.value_or("no fault");
  }
}

INSTANTIATE_TEST_SUITE_P(Bugs, W4a8Mutant, testing::Range(1u, bugs));

}  // namespace
}  // namespace qoq::tests
