// Two databases of so many rows, a hundred a problem, thirty samples each.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "autotune/compare/compare.h"
#include "tests/autotune/compare/stores.h"

namespace qoq::compare {
namespace {

void fill(const std::filesystem::path& path, int64_t rows, unsigned seed) {
  std::vector<store::Candidate> candidates;
  for (int64_t i = 0; i < rows; ++i) {
    store::Candidate row =
        testing::measured(testing::problem(static_cast<int>(i / 100 + 1)), fmt::format("v{}", i % 100),
                          testing::draw(20 + static_cast<double>(i % 100), 0.01, 30, seed++));
    row.kernels.clear();
    candidates.push_back(std::move(row));
  }
  testing::put(path, testing::attached(), candidates);
}

void compare_rows(benchmark::State& state) {
  testing::Folder folder;
  fill(folder / "A.db", state.range(0), 1);
  fill(folder / "B.db", state.range(0), 1000000);
  const store::Store before = store::Store::open(folder / "A.db", store::Mode::ReadOnly);
  const store::Store after = store::Store::open(folder / "B.db", store::Mode::ReadOnly);
  for (auto _ : state) benchmark::DoNotOptimize(compare(before, after, {}));
  state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(compare_rows)->Arg(1000)->Arg(10000)->Arg(100000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::compare
