#include "tests/autotune/select/rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::select::testing {

std::string gemm(int m, int n, int k, const std::string& rest) {
  return fmt::format("gemm w4a8-g128 m={} n={} k={}{}{}", m, n, k, rest.empty() ? "" : " ", rest);
}

namespace {

/// Σ ctx: one length for all of the batch, or one each.
double all_tokens(const Problem& problem) {
  const std::string_view contexts = problem.field("ctx");
  if (contexts.find(',') == std::string_view::npos)
    return static_cast<double>(problem.size("batch") * problem.size("ctx"));
  double sum = 0;
  int64_t count = 0;
  for (size_t begin = 0; begin < contexts.size(); ++count) {
    const size_t end = std::min(contexts.find(',', begin), contexts.size());
    sum += std::stod(std::string(contexts.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (count != problem.size("batch")) bad_input("{} contexts for a batch of {}", count, problem.size("batch"));
  return sum;
}

}  // namespace

FamilyRules toy_rules() {
  FamilyRules rules;
  rules.size = [](const Problem& problem) {
    return problem.op == "attention" ? all_tokens(problem) : static_cast<double>(problem.size("m"));
  };
  rules.layout_group = [](const Problem& problem) {
    if (problem.op == "attention") return fmt::format("heads={} dh={}", problem.field("heads"), problem.field("dh"));
    return fmt::format("n={} k={}", problem.field("n"), problem.field("k"));
  };
  return rules;
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
  row.layout_group = toy_rules().layout_group(problem);
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
