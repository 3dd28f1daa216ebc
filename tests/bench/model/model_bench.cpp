// Targets: ≥ 2,000 predictions/s on one core; what a problem's rivals cost when every assumed rate is changed.
#include <benchmark/benchmark.h>

#include "roofline/model/sensitivity.h"

namespace qoq::roofline {
namespace {

/// A split GEMM of m = 64, n = k = 4096, roughly.
Subject gemm(int alu = 115) {
  Step step;
  step.code.registers = 128;
  step.code.loops = true;
  step.code.body = {{64, alu, 2, 55, 0, 34, 0, 7, 5}, 279, 1, 20000};
  step.code.outside = {{0, 300, 10, 200, 0, 60, 1, 50, 40}, 760, 4, 4000};
  step.launch = {"k", {128, 1, 1}, {128, 1, 1}, {}, 49152};
  step.traffic = {9.4e6, 5e5, 68e6, 262144, 4};
  step.work = {2.0 * 64 * 4096 * 4096, "int8", 9.4e6, 5e5};
  return {{step}};
}

void predict_one(benchmark::State& state) {
  const Gpu gpu = embedded_gpus().at("h200");
  const Subject subject = gemm();
  for (auto _ : state) benchmark::DoNotOptimize(predict(gpu, subject).total_us);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(predict_one);

/// Arg: rivals of a problem's winner.
void assess_problem(benchmark::State& state) {
  const Gpu gpu = embedded_gpus().at("a100-80");
  std::vector<Subject> subjects;
  for (int i = 0; i < state.range(0); ++i) subjects.push_back(gemm(115 + i % 40));
  std::vector<const Subject*> candidates;
  for (const Subject& subject : subjects) candidates.push_back(&subject);
  for (auto _ : state) benchmark::DoNotOptimize(upsets(gpu, candidates, 0).size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(assess_problem)->Arg(10)->Arg(100)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace qoq::roofline
