#include "tests/bench/report/many_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "tests/autotune/report/sample_store.h"

namespace qoq::report::testing {
namespace {

using store::Candidate;

constexpr const char* kCeilings = R"json({"ceilings": [
  {"kind": "memory", "name": "DRAM (listed)", "value": 4800, "source": "datasheet: x"},
  {"kind": "memory", "name": "L2", "value": 10000, "source": "assumed: x"},
  {"kind": "tensor", "name": "int8", "value": 1979, "source": "datasheet: x"},
  {"kind": "tensor", "name": "int8, mma.sync", "value": 1245, "source": "derived: x"},
  {"kind": "cuda_core", "name": "CUDA cores, fp32", "value": 67, "source": "guide: x"}]})json";

/// A fraction that looks random and is the same everywhere.
double scatter(uint64_t seed) {
  seed = (seed + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb;
  return static_cast<double>(seed >> 11) / static_cast<double>(1ull << 53);
}

std::string variant_of(int64_t i) {
  return fmt::format("mma.w4a8-g128.bm{}.bn{}.bk{}.wm32.wn{}.st{}.ks{}.sk{}.ra{}.{}.{}", 16 << i % 4, 64 << i / 4 % 3,
                     64 << i / 12 % 2, 32 << i / 24 % 2, 2 + i / 48 % 5, 1 + i / 240 % 2, 1 << i / 480 % 3,
                     1 + i / 1440 % 4, i / 5760 % 2 == 0 ? "imad" : "vadd4", i % 2 == 0 ? "fragment" : "qserve");
}

std::string prediction(double us, uint64_t seed) {
  nlohmann::json parts;
  for (const char* name : {"dram", "l2", "in_flight", "tensor", "alu", "fma", "xu", "shared", "issue", "chain", "ramp"})
    parts[name] = us * scatter(++seed);
  return nlohmann::json{{"parts_us", parts}, {"limiter", "l2"}, {"waves", 1.7}, {"ctas_per_sm", 4}}.dump();
}

constexpr const char* kMeasured =
    R"({"cache":"weights-cold","launch":"eager","settled":true,"stopped_by":"relative-iqr","sm_mhz":1816.5,)"
    R"("throttled":false})";

Candidate make_row(const store::ProblemRow& problem, int64_t i, uint64_t seed, bool measured) {
  const double us = 10 + 40 * scatter(seed);
  Candidate row = sample_candidate(problem.text, variant_of(i), us);
  row.layout = i % 2 == 0 ? "fragment" : "qserve";
  row.published = i == 3;
  row.speed_of_light_us = 8;
  row.kernels = {{.digest = fmt::format("{:032x}", i),
                  .entry = fmt::format("gemm_mma_{:016x}", i),
                  .registers = static_cast<int>(96 + i % 64),
                  .dynamic_shared_bytes = 50176,
                  .ctas = 128 << i % 3,
                  .threads = 128}};
  if (seed % 9 == 0) {
    row.outcome = store::Outcome::Illegal;
    row.reason = fmt::format("needs {} bytes of shared memory, the GPU allows 232448", 240000 + i % 7 * 1024);
    row.source = store::Source::None;
    row.median_us.reset();
    row.verified_on.clear();
    row.kernels.clear();
  } else if (measured) {
    row.source = store::Source::Measured;
    row.noise = 0.006;
    row.verified_on = "cuda";
    row.details = kMeasured;
    for (uint64_t k = 0; k < 20; ++k) row.samples_us.push_back(us * (0.995 + 0.01 * scatter(seed * 32 + k)));
  } else {
    row.details = prediction(us, seed * 16);
  }
  return row;
}

/// What measuring adds to the fastest row of a problem.
void explain(store::Store& store, int64_t environment, const std::string& problem) {
  const auto best =
      store.candidates({.environment = environment, .problem = problem, .timed = true, .by_time = true, .limit = 1});
  if (best.empty()) return;
  const std::string& winner = best.front().variant;
  store.put_race(environment, {problem, winner, winner, "no finalist is faster than the incumbent: 10.1 us"});
  store.add_details(environment, problem, winner, false,
                    R"({"cross_check": {"events_us": 24.9, "activity_us": 24.7, "kernels_us": 24.1},
      "counters": {"rung": "counters", "passes": 10, "reason": "", "values": {"tensor_active_pct": 20.2,
      "issue_active_pct": 34.5, "dram_read_bytes": 13272320.0, "occupancy_pct": 15.0, "stall_wait_pct": 19.4,
      "stall_long_scoreboard_pct": 26.6, "stall_barrier_pct": 9.6, "bank_conflicts": 13.0}}})");
}

}  // namespace

void fill_many(store::Store& store, int64_t rows, int64_t rows_a_problem) {
  constexpr std::pair<int, int> matrices[] = {{6144, 4096}, {4096, 4096}, {28672, 4096}, {4096, 14336}};
  const int64_t problems = std::max<int64_t>(1, rows / 3 / rows_a_problem);
  store::JobRow job{"many-rows", "name: many-rows\nsearch: {strategy: random}\n", {}, ""};
  std::vector<store::ProblemRow> all;
  for (int64_t p = 0; p < problems; ++p) {
    all.push_back(sample_problem(static_cast<int>(1 + p / 4), matrices[p % 4].first, matrices[p % 4].second));
    store.put_problem(all.back());
    job.items.push_back({all.back().text, "Llama-3-8B tp=1", 32});
  }
  store.put_job(job);
  uint64_t seed = 1;
  for (const char* target : {"sim:a100", "sim:l40s", "cuda:0"}) {
    store::Environment environment = sample_environment(target);
    environment.product = target;
    const int64_t id = store.environment(environment);
    store.put_gpu(id, {fmt::format("GPU of {}", target), kCeilings});
    const bool measured = environment.target == "cuda:0";
    for (const store::ProblemRow& problem : all) {
      std::vector<Candidate> some;
      for (int64_t i = 0; i < rows_a_problem; ++i) some.push_back(make_row(problem, i, seed++, measured));
      store.record(id, some);
      if (measured) explain(store, id, problem.text);
    }
  }
}

}  // namespace qoq::report::testing
