// Target: a strategy thinks less than 0.1 ms a point, so that it costs nothing beside compiling one. A space of 10^6
// combinations, half of them admitted; ten thousand points asked and told.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "tests/autotune/search/rugged.h"

namespace qoq::search {
namespace {

constexpr size_t asked = 10'000;

Space million() {
  std::vector<Parameter> parameters;
  for (int i = 0; i < 6; ++i) parameters.push_back(testing::range(fmt::format("p{}", i), 10));
  return Space(parameters, [](const Point& p) { return (p.at("p0") + p.at("p3")) % 2 == 0; });
}

std::optional<double> time_us(const Point& point) {
  double us = 10;
  uint64_t hash = 0;
  for (const auto& [name, value] : point) {
    us += (value - 6) * (value - 6);
    hash = mix(hash ^ static_cast<uint64_t>(value));
  }
  return us + static_cast<double>(hash % 10);
}

void ask_and_tell(benchmark::State& state, const std::string& name) {
  Settings settings{name, static_cast<int64_t>(asked), 1};
  settings.predict = [](std::span<const Point> points) {
    std::vector<std::optional<double>> predicted;
    for (const Point& point : points) predicted.push_back(time_us(point));
    return predicted;
  };
  size_t points = 0;
  for (auto _ : state) {
    const auto strategy = make_strategy(settings, million());
    points += testing::search_all(*strategy, time_us).size();
  }
  state.SetItemsProcessed(static_cast<int64_t>(points));
  state.counters["points"] = benchmark::Counter(static_cast<double>(points) / static_cast<double>(state.iterations()));
}
BENCHMARK_CAPTURE(ask_and_tell, exhaustive, "exhaustive")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_and_tell, random, "random")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_and_tell, local, "local")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_and_tell, evolutionary, "evolutionary")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask_and_tell, predict_then_measure, "predict-then-measure")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::search
