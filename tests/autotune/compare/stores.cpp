#include "tests/autotune/compare/stores.h"

#include <fmt/format.h>

#include <algorithm>

namespace qoq::compare::testing {

std::vector<double> draw(double median_us, double noise, size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(median_us, noise * median_us);
  std::vector<double> samples(count);
  std::ranges::generate(samples, [&] { return normal(random); });
  return samples;
}

store::Environment attached() {
  store::Environment environment = store::testing::simulated("cuda:0");
  environment.uuid = "GPU-1";
  environment.driver = "580.1";
  environment.predictor = "";
  return environment;
}

store::Candidate measured(const std::string& problem, const std::string& variant, std::vector<double> samples_us) {
  store::Candidate row = store::testing::candidate(1, problem);
  row.variant = variant;
  row.source = store::Source::Measured;
  row.verified_on = "cuda";
  std::vector<double> sorted = samples_us;
  std::ranges::sort(sorted);
  row.median_us = (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]) / 2;
  row.samples_us = std::move(samples_us);
  return row;
}

store::Candidate predicted(const std::string& problem, const std::string& variant, double time_us) {
  store::Candidate row = store::testing::candidate(1, problem);
  row.variant = variant;
  row.median_us = time_us;
  row.noise.reset();
  row.samples_us.clear();
  return row;
}

void put(const std::filesystem::path& path, const store::Environment& environment,
         const std::vector<store::Candidate>& rows) {
  store::Store store = store::Store::open(path, store::Mode::ReadWrite);
  const int64_t id = store.environment(environment);
  for (const store::Candidate& row : rows) {
    if (!store.problem(row.problem)) store.put_problem(store::testing::gemm_row(row.problem));
  }
  store.record(id, rows);
}

std::string problem(int m) { return fmt::format("gemm w4a8-g128 m={} n=4096 k=4096", m); }

}  // namespace qoq::compare::testing
