#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/family.h"

namespace qoq {

/// A family of two schemes and three parameters that launches nothing: enough for a job to be read against.
class ToyFamily : public Family {
 public:
  std::string_view name() const override { return "gemm/toy"; }
  std::string_view op() const override { return "gemm"; }
  std::vector<std::string> schemes() const override { return {"w4a8-g128", "w8a8"}; }
  std::vector<Parameter> parameters() const override {
    return {{"block_m", "", {16, 32, 64}, {}}, {"split_k", "", {1, 2}, {}}, {"dequant", "", {0, 1}, {"vadd4", "imad"}}};
  }
  Problem canonical(const Problem& problem) const override {
    if (problem.size("n") % 32 != 0) bad_input("n={} is not a multiple of 32", problem.size("n"));
    return problem;
  }
  std::optional<std::string> illegal(const Point&, const Problem&) const override { return {}; }
  std::optional<std::string> unsupported(const Point&, const Problem&, const Device&) const override { return {}; }
  std::string variant(const Point&, const Problem&) const override { return "toy"; }
  std::optional<std::pair<Point, Problem>> parse_variant(std::string_view, const Problem&) const override { return {}; }
  std::string layout(const Point&, const Problem&) const override { return "qserve"; }
  std::string layout_group(const Problem&) const override { return ""; }
  double size(const Problem& problem) const override { return static_cast<double>(problem.size("m")); }
  Source source(const Point&, const Problem&) const override { return {}; }
  Plan plan(const Point&, const Problem&, const Device&) const override { return {}; }
  std::unique_ptr<Case> make_case(const Problem&, uint64_t) const override { return std::make_unique<Case>(); }
  std::vector<Buffer> prepare(const Case&, const Point&) const override { return {}; }
  std::string operand_key(const Point&, const Problem&) const override { return ""; }
  Arguments bind(const Point&, const Problem&, const Device&, const Addresses&) const override { return {}; }
  Check check(const Case&, const Point&, const std::vector<Buffer>&) const override { return {}; }
  Problem reduced(const Point&, const Problem& problem) const override { return problem; }
  Work work(const Problem&) const override { return {}; }
  Traffic traffic(const Point&, const Problem&, const Device&) const override { return {}; }
  std::optional<Point> published(const Problem&) const override { return {}; }
};

/// An operator over a cache, to the same extent: at most 64 query heads a GPU, contexts no shorter than the new tokens.
class ToyAttention final : public ToyFamily {
 public:
  std::string_view name() const override { return "attention/toy"; }
  std::string_view op() const override { return "attention"; }
  std::vector<std::string> schemes() const override { return {"kv4", "kv8"}; }
  Problem canonical(const Problem& problem) const override {
    const int64_t q = problem.field("q").empty() ? 1 : problem.size("q");
    if (problem.size("ctx") < q) bad_input("ctx={} is shorter than the {} new tokens", problem.size("ctx"), q);
    return problem;
  }
  double size(const Problem& problem) const override {
    return static_cast<double>(problem.size("batch") * problem.size("ctx"));
  }
};

}  // namespace qoq
