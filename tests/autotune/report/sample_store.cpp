#include "sample_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <nlohmann/json.hpp>

namespace qoq::report {
namespace {

using store::Candidate;
using store::Outcome;

struct SampleGpu {
  const char* target;
  const char* name;
  const char* architecture;
  int sms;
  double listed_gbps, measured_gbps, int8_tops, mma_tops, fp32_tops;
};
constexpr SampleGpu kGpus[] = {
    {"sim:a100", "NVIDIA A100-SXM4-80GB", "sm_80", 108, 2039, 0, 624, 0, 19.5},
    {"sim:l40s", "NVIDIA L40S", "sm_89", 142, 864, 0, 733, 0, 91.6},
    {"sim:h200", "NVIDIA H200", "sm_90a", 132, 4800, 4300, 1979, 1245, 67},
};

struct Tile {
  int m, n, k, stages, split;
  bool imad;
};
constexpr Tile kTiles[] = {
    {16, 64, 128, 4, 1, true},   {16, 128, 128, 4, 1, true}, {16, 128, 128, 4, 2, true},  {32, 64, 128, 3, 1, false},
    {32, 64, 128, 3, 1, true},   {32, 128, 128, 4, 1, true}, {32, 128, 128, 4, 2, true},  {64, 64, 64, 4, 1, false},
    {64, 64, 128, 3, 1, false},  {64, 64, 128, 4, 1, true},  {64, 128, 64, 4, 1, true},   {64, 128, 64, 5, 1, true},
    {64, 128, 64, 4, 2, true},   {128, 64, 64, 4, 1, false}, {128, 64, 64, 4, 1, true},   {128, 128, 64, 3, 1, true},
    {128, 128, 64, 4, 1, true},  {128, 256, 64, 3, 1, true}, {128, 256, 128, 4, 1, true}, {256, 128, 64, 4, 1, true},
    {256, 128, 128, 5, 1, true}, {16, 256, 128, 4, 4, true},
};

std::string variant_of(const Tile& t) {
  return fmt::format("mma.w4a8-g128.bm{}.bn{}.bk{}.wm{}.wn32.st{}.sk{}.{}", t.m, t.n, t.k, std::min(t.m, 64), t.stages,
                     t.split, t.imad ? "imad" : "vadd4");
}

bool is_published(const Tile& t, int m) {
  if (t.imad || t.split > 1) return false;
  if (m < 128) return t.m == 32;
  return m == 128 ? t.m == 64 && t.k == 64 : t.m == 128;
}

double shared_bytes(const Tile& t) { return t.stages * (t.m * t.k + t.n * t.k / 2.0); }

/// Padding, waves, dequantisation and a latency: enough to spread the variants as a tuner sees them.
double time_us(const SampleGpu& gpu, const Tile& t, int m, int n, int k, double light_us) {
  double blocks = std::ceil(double(m) / t.m) * std::ceil(double(n) / t.n) * t.split;
  double waves = std::ceil(blocks / gpu.sms) * gpu.sms / blocks;
  double padding = std::ceil(double(m) / t.m) * t.m / m;
  double compute = 2.0 * m * padding * n * k / (gpu.int8_tops * 1e6) * (t.imad ? 1.25 : 1.7) * std::min(waves, 3.0);
  double memory = light_us * (1.12 + 0.9 / t.stages) * (1 + 0.15 * (std::min(waves, 4.0) - 1));
  // The last terms make no two times equal.
  return std::max(compute, memory) + 1.4 + 0.6 * t.split + 7e-4 * t.m + 3e-4 * t.n + 1e-4 * t.k;
}

Candidate make_candidate(const SampleGpu& gpu, const Tile& tile, const store::ProblemRow& problem, int m, int n,
                         int k) {
  double gbps = gpu.measured_gbps > 0 ? gpu.measured_gbps : gpu.listed_gbps;
  double bytes = problem.read_bytes + problem.write_bytes;
  double light_us = std::max(bytes / gbps * 1e-3, problem.ops / (gpu.int8_tops * 1e6));
  Candidate row = sample_candidate(problem.text, variant_of(tile), time_us(gpu, tile, m, n, k, light_us));
  row.published = is_published(tile, m);
  row.speed_of_light_us = light_us;
  row.details = fmt::format(R"({{"limiter": "{}"}})", *row.median_us > 3 * light_us ? "chain"
                                                      : m >= 256                    ? "tensor"
                                                                                    : "dram");
  row.kernels = {{.digest = fmt::format("{}-{}", gpu.architecture, row.variant),
                  .entry = "gemm",
                  .registers = 96 + tile.m / 4,
                  .static_shared_bytes = 0,
                  .spill_bytes = 0,
                  .local_bytes = 0,
                  .details = "{}",
                  .dynamic_shared_bytes = int64_t(shared_bytes(tile)),
                  .ctas = 128,
                  .threads = 128}};
  auto reject = [&](Outcome outcome, std::string reason) {
    row.outcome = outcome;
    row.reason = std::move(reason);
    row.source = store::Source::None;
    row.median_us.reset();
    row.verified_on.clear();
    row.kernels.clear();
  };
  int limit = gpu.sms == 142 ? 101376 : 166912;
  if (shared_bytes(tile) > limit * 0.45) {
    reject(Outcome::Illegal, fmt::format("needs {:.0f} bytes of shared memory a CTA, {} allows {}",
                                         shared_bytes(tile) * 2, gpu.name, limit));
  } else if (tile.m == 256 && gpu.sms != 132) {
    reject(Outcome::CompileFailed, fmt::format("spills {} bytes: rejected before timing", 40 + m % 7 * 8));
  } else if (k % (tile.k * tile.split * 2) != 0) {
    reject(Outcome::Illegal, fmt::format("k = {} does not divide into {} splits of whole groups", k, tile.split));
  } else if (tile.split == 4 && m == 17) {
    reject(Outcome::Wrong, "c[16, 40] = 3.25, reference 3.5: the merge dropped a split");
  }
  return row;
}

std::string ceilings_of(const SampleGpu& gpu) {
  auto list = nlohmann::json::array();
  auto add = [&](const char* kind, const char* name, double value, const char* source) {
    if (value > 0) list.push_back({{"kind", kind}, {"name", name}, {"value", value}, {"source", source}});
  };
  add("memory", "DRAM (listed)", gpu.listed_gbps, "datasheet: product sheet");
  add("memory", "DRAM (measured)", gpu.measured_gbps, "measured: device-to-device copy, read + write");
  add("memory", "L2", gpu.sms * 60, "assumed: 60 B/clk/SM at 1 GHz");
  add("tensor", "int8", gpu.int8_tops, "datasheet: dense");
  add("tensor", "int8, mma.sync", gpu.mma_tops, "derived: 62.9 % of int8");
  add("tensor", "fp16", gpu.int8_tops / 2, "datasheet: dense");
  add("cuda_core", "CUDA cores, fp32", gpu.fp32_tops, "guide: FMA per clock and SM");
  return nlohmann::json{{"ceilings", list}}.dump();
}

}  // namespace

TemporaryStore::TemporaryStore() {
  std::string name = (std::filesystem::temp_directory_path() / "qoq-report-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  folder_ = name;
}
TemporaryStore::~TemporaryStore() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

store::Environment sample_environment(const std::string& target) {
  store::Environment e;
  e.target = target;
  e.product = "NVIDIA H200";
  e.architecture = "sm_90a";
  e.sm_count = 132;
  e.compiler = "NVRTC 13.0, --fmad=false";
  e.kernels = "3f1c9a77d0e24b6f8a5531c2e9d07b48";
  e.cache_mode = "weights-cold";
  e.launch_mode = "eager";
  if (target.starts_with("sim:")) e.predictor = "model 1, sheet " + target.substr(4);
  return e;
}

store::ProblemRow sample_problem(int m, int n, int k) {
  store::ProblemRow row;
  row.text = fmt::format("gemm w4a8-g128 m={} n={} k={}", m, n, k);
  row.op = "gemm";
  row.scheme = "w4a8-g128";
  row.layout_group = fmt::format("n={} k={}", n, k);
  row.ops = 2.0 * m * n * k;
  row.arithmetic = "int8";
  row.read_bytes = n * double(k) / 2 + 2.0 * n * k / 128 + double(m) * k;
  row.write_bytes = 2.0 * m * n;
  return row;
}

Candidate sample_candidate(const std::string& problem, const std::string& variant, double median_us) {
  Candidate row;
  row.problem = problem;
  row.family = "gemm/mma";
  row.variant = variant;
  row.layout = "qserve";
  row.source = store::Source::Predicted;
  row.median_us = median_us;
  row.speed_of_light_us = median_us / 2;
  row.verified_on = "emulator";
  row.verify_problem = "gemm w4a8-g128 m=40 n=192 k=1152";
  return row;
}

Sample fill_sample(store::Store& store) {
  struct Matrix {
    const char* label;
    int n, k;
  };
  constexpr Matrix kMatrices[] = {
      {"qkv", 6144, 4096}, {"o", 4096, 4096}, {"gate_up", 28672, 4096}, {"down", 4096, 14336}};
  Sample sample;
  store::JobRow job;
  job.name = "llama-3-8b";
  job.text =
      "name: llama-3-8b\nmodels: [llama-3-8b]\ntargets: [sim:a100, sim:l40s, sim:h200]\nm: [1, 17, 64, 128, 256, "
      "1024]\n";
  for (const Matrix& matrix : kMatrices) {
    for (int m : {1, 17, 64, 128, 256, 1024}) {
      store.put_problem(sample_problem(m, matrix.n, matrix.k));
      job.items.push_back(
          {sample_problem(m, matrix.n, matrix.k).text, fmt::format("Llama-3-8B {} tp=1", matrix.label), 32});
    }
  }
  store.put_job(job);
  for (const SampleGpu& gpu : kGpus) {
    store::Environment e = sample_environment(gpu.target);
    e.product = gpu.name;
    e.architecture = gpu.architecture;
    e.sm_count = gpu.sms;
    int64_t id = store.environment(e);
    store.put_gpu(id, {gpu.name, ceilings_of(gpu)});
    for (const Matrix& matrix : kMatrices) {
      LayoutChoice layout{id, "gemm", "w4a8-g128", fmt::format("n={} k={}", matrix.n, matrix.k), "qserve", 0,
                          0,  {},     {}};
      for (int m : {1, 17, 64, 128, 256, 1024}) {
        store::ProblemRow problem = sample_problem(m, matrix.n, matrix.k);
        std::vector<Candidate> rows;
        for (const Tile& tile : kTiles) rows.push_back(make_candidate(gpu, tile, problem, m, matrix.n, matrix.k));
        store.record(id, rows);
        std::erase_if(rows, [](const Candidate& row) { return !row.median_us; });
        auto best = std::min_element(rows.begin(), rows.end(), [](const Candidate& a, const Candidate& b) {
          return *a.median_us < *b.median_us;
        });
        sample.chosen.push_back({id, problem.text, best->variant, "exact"});
        layout.chosen_us += 32 * *best->median_us;
      }
      layout.free_us = layout.chosen_us / 1.013;
      layout.others = {{"fragment", layout.chosen_us * 1.04}};
      sample.layouts.push_back(layout);
    }
  }
  return sample;
}

int64_t fill_baselines(store::Store& store) {
  int64_t id = store.environment(sample_environment("cuda:0"));
  store.put_gpu(id, {kGpus[2].name, ceilings_of(kGpus[2])});
  for (const auto& [m, ours_us, int8_us, fp8_us] :
       {std::tuple{16, 5.2, 7.8, 7.1}, std::tuple{512, 24.9, 22.4, 21.0}, std::tuple{4096, 165.0, 118.3, 112.9}}) {
    store.put_problem(sample_problem(m, 4096, 4096));
    const std::string text = sample_problem(m, 4096, 4096).text;
    auto measured = [&](const std::string& family, const std::string& variant, double us) {
      Candidate row = sample_candidate(text, variant, us);
      row.family = family;
      row.source = store::Source::Measured;
      row.noise = 0.004;
      row.verified_on = "cuda";
      return row;
    };
    store.record(id, measured("gemm/mma", variant_of(kTiles[2]), ours_us));
    store.record(id, measured("gemm/mma", variant_of(kTiles[9]), ours_us * 1.07));
    auto baseline = [&](std::string arithmetic, const std::string& variant, double us) {
      Candidate row = measured("cublaslt/" + arithmetic, variant, us);
      row.baseline = true;
      row.layout = "rowmajor";
      row.details = fmt::format(R"({{"arithmetic": "{}", "workspace_bytes": 0}})", arithmetic);
      row.speed_of_light_us = 0;
      return row;
    };
    auto failed = [&](Candidate row, Outcome outcome, std::string reason) {
      row.outcome = outcome;
      row.reason = std::move(reason);
      row.source = store::Source::None;
      row.median_us.reset();
      row.noise.reset();
      row.verified_on.clear();
      return row;
    };
    store.record(id, baseline("int8", "cublaslt.int8.c00", int8_us * 1.2));
    store.record(id, baseline("int8", "cublaslt.int8.c01", int8_us));
    store.record(id, failed(baseline("fp8", "cublaslt.fp8.fast.c00", 1), Outcome::Wrong,
                            "y[3, 17] = 12, reference 14.5, allowed ± 0.25"));
    store.record(id, baseline("fp8", "cublaslt.fp8.full.c00", fp8_us));
    store.record(id, failed(baseline("bf16", "cublaslt/bf16", 1), Outcome::LaunchFailed,
                            "missing: cuBLASLt is not here: libcublasLt.so.13: cannot open shared object file"));
  }
  return id;
}

int64_t fill_measured(store::Store& store) {
  const int64_t id = fill_baselines(store);
  const std::string winner = variant_of(kTiles[2]), second = variant_of(kTiles[9]);
  auto text = [](int m) { return sample_problem(m, 4096, 4096).text; };
  auto add = [&](int m, const std::string& variant, const char* details) {
    store.add_details(id, text(m), variant, false, details);
  };
  store.put_race(id, {text(16), winner, winner, "it was the only one within reach"});
  store.put_race(id, {text(512), winner, second,
                      "faster than the incumbent by 7.00 % [6.50, 7.51]: 24.9 us [24.8, 25] against 26.64 us [26.5, "
                      "26.8] after 40 rounds"});
  store.put_race(id, {text(4096), winner, winner, "no finalist is faster than the incumbent: 165 us [164.8, 165.3]"});
  store.put_problem(sample_problem(8, 4096, 4096));
  store.put_race(id, {text(8), winner, winner, "a race without rows"});

  add(16, winner, R"({"cross_check": {"events_us": 5.4, "activity_us": 5.0, "kernels_us": 4.6}})");
  add(512, winner, R"({"cross_check": {"events_us": 24.9, "activity_us": 24.7, "kernels_us": 24.1}})");
  add(4096, winner, R"({"cross_check": {"events_us": 165.0, "activity_us": 155.0}})");
  add(4096, second, R"({"cross_check": {"missing": "another profiler is attached"}})");
  add(16, winner, R"({"counters": {"rung": "counters", "passes": 10, "reason": "", "values": {
      "tensor_active_pct": 5.9, "alu_active_pct": 20.0, "fma_active_pct": 6.6, "lsu_active_pct": 11.0,
      "xu_active_pct": 0.55, "dram_read_bytes": 9.2e6, "bank_conflicts": 12800, "shared_bytes": 16384000,
      "occupancy_pct": 5.64, "stall_selected_pct": 40.0, "stall_wait_pct": 32.7, "stall_long_scoreboard_pct": 11.6,
      "stall_barrier_pct": 9.3, "stall_short_scoreboard_pct": 8.2, "stall_membar_pct": 3.1}}})");
  add(512, winner, R"({"counters": {"rung": "activity", "passes": 1, "values": {"activity_us": 24.7, "launches": 1},
      "reason": "counters need rights that this user does not have: ask for CAP_SYS_ADMIN"}})");
  add(4096, winner, R"({"counters": {"rung": "counters", "passes": 12, "reason": "", "values": {
      "tensor_active_pct": 71.3, "occupancy_pct": null}}, "discarded": 3, "throttled": true})");
  add(16, "cublaslt.int8.c01", R"({"discarded": 2, "throttled": true})");
  add(16, "cublaslt.int8.c00", R"({"throttled": true})");
  return id;
}

}  // namespace qoq::report
