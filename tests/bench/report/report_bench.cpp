// Targets: a report from 100,000 rows in ≤ 5 s, its page ≤ 6 MB. Arguments: rows, rows a problem.
#include <benchmark/benchmark.h>

#include "autotune/report/report.h"
#include "tests/autotune/report/sample_store.h"
#include "tests/bench/report/many_rows.h"

namespace qoq::report {
namespace {

void render_report(benchmark::State& state) {
  TemporaryStore file;
  auto store = store::Store::open(file.path(), store::Mode::ReadWrite);
  testing::fill_many(store, state.range(0), state.range(1));
  Files files;
  for (auto _ : state) files = render(store, {}, {});
  const auto mb = [](const std::string& text) { return static_cast<double>(text.size()) * 1e-6; };
  state.counters["html_MB"] = mb(files.html);
  state.counters["md_MB"] = mb(files.markdown);
  state.counters["csv_MB"] = mb(files.csv);
  state.counters["rows/s"] =
      benchmark::Counter(static_cast<double>(state.range(0)), benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(render_report)
    ->Args({1'000, 100})
    ->Args({10'000, 300})
    ->Args({100'000, 1'000})  // few problems, each searched far
    ->Args({100'000, 30})     // more than a thousand problems a GPU, each hardly searched
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace qoq::report
