#pragma once
#include <string>
#include <vector>

#include "kernels/ceiling/ceiling_family.h"

namespace qoq::ceiling {

/// Ceilings that are the same work for every warp: "ceiling issue.ffma warps=4224 trips=256": so many warps in the grid
/// run their main loop so often. What a trip is, the family says (ops_per_warp_trip). Choose `warps` as a multiple of
/// the SMs that gives one full wave. Predictions of these mean nothing: the model cannot count trips it has no MMAs
/// for.
class WarpFamily : public CeilingFamily {
 public:
  std::optional<std::string> unsupported(const Point& point, const Problem& problem, const Device&) const override;
  double size(const Problem& problem) const override { return static_cast<double>(problem.size("warps")); }
  std::unique_ptr<Case> make_case(const Problem& problem, uint64_t seed) const override;
  std::vector<Buffer> prepare(const Case& c, const Point& point) const override;
  std::string operand_key(const Point&, const Problem&) const override { return ""; }
  Check check(const Case& c, const Point& point, const std::vector<Buffer>& buffers) const override;
  Problem reduced(const Point& point, const Problem& problem) const override;
  Work work(const Problem& problem) const override;
  Traffic traffic(const Point& point, const Problem& problem, const Device&) const override;

 protected:
  std::vector<Field> fields() const override { return {{"warps", 1, 1 << 20}, {"trips", 1, 16384}}; }
  int64_t ctas(const Point& point, const Problem& problem) const override;
  uint32_t count(const Point&, const Problem& problem) const override {
    return static_cast<uint32_t>(problem.size("trips"));
  }

  /// Operations of a warp's trip: of all its threads, or multiplications and additions on the tensor cores.
  virtual double ops_per_warp_trip(const Problem& problem) const = 0;
  virtual std::string arithmetic(const Problem&) const { return "fp16"; }
  /// Operands any point takes its own from.
  virtual std::vector<uint32_t> operands(const Problem& problem, uint64_t seed) const = 0;
  /// The words that the grid's first threads leave; the next ones leave the same again.
  virtual std::vector<uint32_t> expected(const std::vector<uint32_t>& operands, const Point& point,
                                         const Problem& problem) const = 0;
};

}  // namespace qoq::ceiling
