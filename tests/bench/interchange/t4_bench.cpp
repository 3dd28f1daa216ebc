// Target: a tuning space of 100,000 configurations of 32 samples each is read in about two seconds.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "autotune/interchange/t4.h"

namespace qoq::interchange {
namespace {

RecordedSpace space(size_t entries) {
  RecordedSpace space;
  space.name = space.kernel = "synthetic";
  space.time_unit = "microseconds";
  for (int i = 0; i < 10; ++i) {
    RecordedParameter& parameter = space.parameters.emplace_back();
    parameter.name = fmt::format("parameter_{}", i);
    for (int64_t value = 0; value < 6; ++value) parameter.values.emplace_back(value);
  }
  for (size_t i = 0; i < entries; ++i) {
    RecordedEntry& entry = space.entries.emplace_back();
    size_t rest = i;
    for (int j = 0; j < 10; ++j, rest /= 6) entry.choices.push_back(static_cast<uint32_t>(rest % 6));
    entry.invalidity = "correct";
    for (size_t j = 0; j < 32; ++j) entry.samples_us.push_back(10 + static_cast<double>(i * 37 % 1001 + j) / 997);
    entry.time_us = entry.samples_us[0];
  }
  return space;
}

void read_t4_entries(benchmark::State& state) {
  const std::string text = to_t4(space(static_cast<size_t>(state.range(0))));
  for (auto _ : state) benchmark::DoNotOptimize(parse_t4(text, "synthetic.T4.json"));
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
  state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(read_t4_entries)->Arg(1000)->Arg(10000)->Arg(100000)->Unit(benchmark::kMillisecond);

void write_t4_entries(benchmark::State& state) {
  const RecordedSpace all = space(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(to_t4(all));
  state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(write_t4_entries)->Arg(10000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::interchange
