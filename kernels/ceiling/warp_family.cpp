#include "kernels/ceiling/warp_family.h"

#include <fmt/format.h>

namespace qoq::ceiling {

std::optional<std::string> WarpFamily::unsupported(const Point& point, const Problem& problem, const Device&) const {
  const int warps = point.at("threads") / 32;
  if (problem.size("warps") % warps != 0) return fmt::format("the warps are no multiple of a CTA's {}", warps);
  return std::nullopt;
}

int64_t WarpFamily::ctas(const Point& point, const Problem& problem) const {
  return problem.size("warps") * 32 / point.at("threads");
}

std::unique_ptr<Case> WarpFamily::make_case(const Problem& problem, uint64_t seed) const {
  auto words = std::make_unique<Words>();
  words->problem = problem;
  words->values = operands(problem, seed);
  return words;
}

std::vector<Buffer> WarpFamily::prepare(const Case& c, const Point&) const {
  const Words& words = dynamic_cast<const Words&>(c);
  return {make_buffer("from", Buffer::Role::Input, words.values),
          results(static_cast<size_t>(words.problem.size("warps")) * 32)};
}

Check WarpFamily::check(const Case& c, const Point& point, const std::vector<Buffer>& buffers) const {
  const Words& words = dynamic_cast<const Words&>(c);
  const std::vector<uint32_t> want = expected(words.values, point, words.problem);
  const std::vector<uint32_t> got = written_words(buffers);
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] != want[i % want.size()])
      return {false, 1,
              fmt::format("thread {} of the grid left {:08x} where {:08x} is right", i, got[i], want[i % want.size()])};
  }
  return {true, 0, ""};
}

Problem WarpFamily::reduced(const Point& point, const Problem& problem) const {
  return problem.with("warps", std::to_string(2 * point.at("threads") / 32)).with("trips", "3");
}

Work WarpFamily::work(const Problem& problem) const {
  Work work;
  work.arithmetic = arithmetic(problem);
  work.ops = ops_per_warp_trip(problem) * static_cast<double>(problem.size("warps") * problem.size("trips"));
  work.write_bytes = static_cast<double>(problem.size("warps") * 32 * 4);
  return work;
}

Traffic WarpFamily::traffic(const Point&, const Problem& problem, const Device&) const {
  Traffic traffic;
  traffic.dram_write_bytes = static_cast<double>(problem.size("warps") * 32 * 4);
  return traffic;
}

}  // namespace qoq::ceiling
