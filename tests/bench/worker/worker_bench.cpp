// What it costs to ask a GPU in a child process instead of in this one: every question is answered at once there.
#include <benchmark/benchmark.h>

#include "autotune/worker/client.h"
#include "tests/autotune/worker/scripted_gpu.h"

namespace qoq::worker {
namespace {

void verdict(benchmark::State& state) {
  Worker worker({QOQ_WORKER_CHILD, "normal"});
  const measure::Subject asked = subject(answers);
  for (auto _ : state) benchmark::DoNotOptimize(worker.verify(asked, 1));
}
BENCHMARK(verdict)->Unit(benchmark::kMicrosecond)->UseRealTime();

void sample_of_300(benchmark::State& state) {
  Worker worker({QOQ_WORKER_CHILD, "normal"});
  const measure::Subject asked = subject(answers);
  for (auto _ : state) benchmark::DoNotOptimize(worker.time(asked, {}));
}
BENCHMARK(sample_of_300)->Unit(benchmark::kMicrosecond)->UseRealTime();

void race_of_8(benchmark::State& state) {
  Worker worker({QOQ_WORKER_CHILD, "normal"});
  const std::vector<measure::Subject> asked(8, subject(answers));
  for (auto _ : state) benchmark::DoNotOptimize(worker.race(asked, 0, {}));
}
BENCHMARK(race_of_8)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// A variant that takes its context along: the answer, the child's end, the next child's start and answer.
void lost_context(benchmark::State& state) {
  Worker worker({QOQ_WORKER_CHILD, "normal"});
  for (auto _ : state) {
    worker.verify(subject(loses_context), 1);
    benchmark::DoNotOptimize(worker.verify(subject(answers), 1));
  }
}
BENCHMARK(lost_context)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace qoq::worker
