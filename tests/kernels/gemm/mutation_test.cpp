// Every synchronisation of the gemm/mma kernel, taken away one at a time: the emulator must notice. W4A8 reads a
// group's metadata when it begins, W4A4 when it ends.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/kernels/gemm/bench.h"
#include "tests/kernels/gemm/forms.h"

namespace qoq::test {
namespace {

/// What is looked for in the kernel's text, and what stands there in the mutant.
struct Weakening {
  const char* original;
  const char* weakened;
};

constexpr Weakening weakenings[] = {
    {"prim::sync_threads();", ";"},
    {"prim::cp_async_wait<ahead - 1>();", ";"},
    {"prim::cp_async_wait<ahead - 1>();", "prim::cp_async_wait<ahead>();"},  // one group too few
    {"prim::cp_async_commit();", ";"},
    {"prim::atomic_add_acq_rel(args.arrivals + at.tile, 1)",
     "[&] { const i32 n = prim::load_global(args.arrivals + at.tile); prim::store_global(args.arrivals + at.tile, n + "
     "1); return n; }()"},
    {"prim::atomic_add_acq_rel(args.arrivals + at.tile, 1)",  // acquires, but publishes nothing
     "[&] { const i32 n = prim::load_acquire(args.arrivals + at.tile); "
     "prim::atomic_add_relaxed(args.arrivals + at.tile, 1); return n; }()"},
    {"if (last) prim::store_global(args.arrivals + at.tile, 0);", ";"},  // the count is not restored
};

constexpr const char* files[] = {"kernels/gemm/mma/kernel.cuh",  "kernels/gemm/mma/load.cuh",
                                 "kernels/gemm/mma/compute.cuh", "kernels/gemm/mma/w4a16.cuh",
                                 "kernels/gemm/mma/w4a4.cuh",    "kernels/gemm/mma/reduce.cuh",
                                 "kernels/gemm/mma/store.cuh"};

Bench::Job everything(const Form& form) {
  Point point = mma_point(16, 64, 128, 16, 32, 3);
  point["slices"] = 2;
  point["split_k"] = 3;
  point["dequant"] = static_cast<int>(form.dequant);
  point["layout"] = static_cast<int>(form.layout);
  return {point, parse_problem(fmt::format("gemm {} m=20 n=128 k=2688", form.scheme))};
}

class MmaMutation : public testing::TestWithParam<Form> {};

/// Whether some schedule shows that the kernel is broken, and how.
std::string caught_by(Bench& bench, const Bench::Job& job) {
  using emulator::AsyncLanding;
  using emulator::Schedule;
  for (const auto schedule : {Schedule::WarpFirst, Schedule::Random}) {
    for (const auto landing : {AsyncLanding::Late, AsyncLanding::Random}) {
      const RunResult run = bench.run(job, 7, {schedule, landing, 7, true, 0}, 2);
      if (run.result.fault) return *run.result.fault;
      if (!run.check.pass) return run.check.message;
    }
  }
  return "";
}

TEST_P(MmaMutation, TheKernelItselfIsClean) {
  Bench bench;
  const Bench::Job job = everything(GetParam());
  bench.build({job});
  if (HasFatalFailure()) return;
  EXPECT_EQ(caught_by(bench, job), "");
}

TEST_P(MmaMutation, EverySynchronisationIsNeeded) {
  const Bench::Job job = everything(GetParam());
  const compile::Headers original = compile::emulator_headers();
  int mutants = 0;
  for (const char* file : files) {
    for (const Weakening& weakening : weakenings) {
      for (size_t at = original.at(file).find(weakening.original); at != std::string::npos;
           at = original.at(file).find(weakening.original, at + 1)) {
        compile::Headers headers = original;
        std::string& text = headers.at(file);
        text.replace(at, std::string(weakening.original).size(), weakening.weakened);
        const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n') + 1;
        const std::string name = fmt::format("{}:{} {} → {}", file, line, weakening.original, weakening.weakened);
        Bench bench(headers);
        bench.build({job});
        if (HasFatalFailure()) return;
        const std::string how = caught_by(bench, job);
        ++mutants;
        EXPECT_NE(how, "") << "survived: " << name;
        fmt::print("{}\n    caught: {}\n", name, how);
      }
    }
  }
  // sync: pipeline 1, slices 2, splits 2; wait twice; commit; arrival twice; restore
  EXPECT_EQ(mutants, 11) << "the kernel's synchronisations changed: look through the list";
}

INSTANTIATE_TEST_SUITE_P(Forms, MmaMutation, testing::Values(forms[1], float_forms[1]),
                         [](const auto& form) { return std::string(form.param.name); });

}  // namespace
}  // namespace qoq::test
