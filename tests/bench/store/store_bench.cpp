// Targets: ≥ 2,000 rows/s committed one by one; finished() of 10,000 rows < 20 ms.
#include <benchmark/benchmark.h>

#include "autotune/store/store.h"
#include "tests/autotune/store/synthetic.h"

namespace qoq::store {
namespace {

void record_one_by_one(benchmark::State& state) {
  testing::Folder folder;
  Store store = testing::open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(testing::simulated());
  int i = 0;
  for (auto _ : state) store.record(here, testing::candidate(i++));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(record_one_by_one)->MinTime(2)->UseRealTime();

void fill(Store& store, int64_t environment, int rows) {
  std::vector<Candidate> candidates;
  for (int i = 0; i < rows; ++i) candidates.push_back(testing::candidate(i));
  store.record(environment, candidates);
}

void record_a_thousand_at_once(benchmark::State& state) {
  testing::Folder folder;
  Store store = testing::open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(testing::simulated());
  for (auto _ : state) fill(store, here, 1000);
  state.SetItemsProcessed(1000 * state.iterations());
}
BENCHMARK(record_a_thousand_at_once)->Unit(benchmark::kMillisecond)->UseRealTime();

void look_up_finished_of_10000(benchmark::State& state) {
  testing::Folder folder;
  Store store = testing::open_with_problem(folder / "tune.db");
  const int64_t here = store.environment(testing::simulated());
  fill(store, here, 10000);
  for (auto _ : state) benchmark::DoNotOptimize(store.finished(here, testing::kProblem));
}
BENCHMARK(look_up_finished_of_10000)->Unit(benchmark::kMillisecond)->UseRealTime();

void read_10000_candidates(benchmark::State& state) {
  testing::Folder folder;
  Store store = testing::open_with_problem(folder / "tune.db");
  fill(store, store.environment(testing::simulated()), 10000);
  for (auto _ : state) benchmark::DoNotOptimize(store.candidates({}));
}
BENCHMARK(read_10000_candidates)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace qoq::store
