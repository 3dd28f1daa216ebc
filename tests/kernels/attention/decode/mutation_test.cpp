// Every synchronisation of the attention/decode kernel, taken away or weakened one at a time: the emulator must notice.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/attention/decode/points.h"
#include "tests/kernels/gemm/bench.h"

namespace qoq::test {
namespace {

/// What is looked for in the kernel's text, and what stands there in the mutant.
struct Weakening {
  const char* original;
  const char* weakened;
};

constexpr const char* arrive = "prim::atomic_add_acq_rel(args.arrivals + at.group, 1)";

constexpr Weakening weakenings[] = {
    {"prim::sync_threads();", ";"},
    {"prim::sync_warp();", ";"},
    {"prim::cp_async_wait<ahead - 1>();", ";"},
    {"prim::cp_async_wait<ahead - 1>();", "prim::cp_async_wait<ahead>();"},  // one group too few
    {"prim::cp_async_commit();", ";"},
    {arrive,  // neither acquires nor publishes, and is not even one operation
     "[&] { const i32 n = prim::load_global(args.arrivals + at.group); "
     "prim::store_global(args.arrivals + at.group, n + 1); return n; }()"},
    {arrive,  // acquires, but publishes nothing
     "[&] { const i32 n = prim::load_acquire(args.arrivals + at.group); "
     "prim::atomic_add_relaxed(args.arrivals + at.group, 1); return n; }()"},
    {"if (last) prim::store_global(args.arrivals + at.group, 0);", ";"},  // the count is not restored
};

constexpr const char* files[] = {"kernel", "load", "place", "fragments", "tile", "merge"};

/// Rings that come round, tails, two row tiles that take turns in shared memory, splits that the last CTA merges.
Bench::Job everything() {
  const Problem problem = parse_problem("attention kv4 batch=2 heads=16/1 dh=64 ctx=70,300 page=32");
  return {decode_point("p32.tl16.st3.w2.rt2.rw8.sp2.tokens.kernel.fragment", problem), problem,
          &family_named("attention/decode")};
}

/// Whether some schedule shows that the kernel is broken, and how.
std::string caught_by(Bench& bench, const Bench::Job& job) {
  using emulator::AsyncLanding;
  using emulator::Schedule;
  for (const auto schedule : {Schedule::WarpFirst, Schedule::Random}) {
    for (const auto landing : {AsyncLanding::Late, AsyncLanding::Early, AsyncLanding::Random}) {
      const RunResult run = bench.run(job, 7, {schedule, landing, 7, true, 0}, 2);
      if (run.result.fault) return *run.result.fault;
      if (!run.check.pass) return run.check.message;
    }
  }
  return "";
}

TEST(DecodeMutation, TheKernelItselfIsClean) {
  Bench bench;
  bench.build({everything()});
  if (HasFatalFailure()) return;
  EXPECT_EQ(caught_by(bench, everything()), "");
}

TEST(DecodeMutation, EverySynchronisationIsNeeded) {
  const compile::Headers original = compile::emulator_headers();
  int mutants = 0;
  for (const char* name : files) {
    const std::string file = fmt::format("kernels/attention/decode/{}.cuh", name);
    for (const Weakening& weakening : weakenings) {
      for (size_t at = original.at(file).find(weakening.original); at != std::string::npos;
           at = original.at(file).find(weakening.original, at + 1)) {
        compile::Headers headers = original;
        std::string& text = headers.at(file);
        text.replace(at, std::string(weakening.original).size(), weakening.weakened);
        const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
        const std::string mutant = fmt::format("{}:{} {} → {}", file, line, weakening.original, weakening.weakened);
        Bench bench(headers);
        bench.build({everything()});
        if (HasFatalFailure()) return;
        const std::string how = caught_by(bench, everything());
        ++mutants;
        EXPECT_NE(how, "") << "survived: " << mutant;
        fmt::print("{}\n    caught: {}\n", mutant, how);
      }
    }
  }
  // sync_threads: warps' parts 2, splits 2; sync_warp; wait twice; commit; arrival twice; restore
  EXPECT_EQ(mutants, 11) << "the kernel's synchronisations changed: look through the list";
}

}  // namespace
}  // namespace qoq::test
