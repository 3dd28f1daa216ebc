#include "tests/autotune/select/rows.h"

#include <fmt/format.h>

namespace qoq::select::testing {

std::string gemm(int m, int n, int k, const std::string& rest) {
  return fmt::format("gemm w4a8-g128 m={} n={} k={}{}{}", m, n, k, rest.empty() ? "" : " ", rest);
}

Shelf::Shelf()
    : store_(store::Store::open(folder_ / "tune.db", store::Mode::ReadWrite)),
      environment_(store_.environment(store::testing::simulated())) {
  store_.put_job(job_);
}

void Shelf::want(const std::string& text, double weight) {
  const Problem problem = Problem::parse(text);
  store::ProblemRow row = store::testing::gemm_row(text);
  row.op = problem.op;
  row.scheme = problem.scheme;
  row.layout_group = fmt::format("n={} k={}", problem.field("n"), problem.field("k"));
  store_.put_problem(row);
  if (weight < 0) return;
  job_.items.push_back({text, fmt::format("item {}", job_.items.size()), weight});
  store_.put_job(job_);
}

store::Candidate row_of(const std::string& problem, const std::string& variant, const std::string& layout,
                        double time_us) {
  store::Candidate row;
  row.problem = problem;
  row.family = "gemm/mma";
  row.variant = variant;
  row.layout = layout;
  row.source = store::Source::Predicted;
  row.median_us = time_us;
  row.verified_on = "emulator";
  row.verify_problem = "gemm w4a8-g128 m=40 n=256 k=1152";
  return row;
}

store::Candidate Shelf::put(const std::string& problem, const std::string& variant, const std::string& layout,
                            double time_us) {
  const store::Candidate row = row_of(problem, variant, layout, time_us);
  put(row);
  return row;
}

}  // namespace qoq::select::testing
