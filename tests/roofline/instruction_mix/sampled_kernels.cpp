#include "tests/roofline/instruction_mix/sampled_kernels.h"

#include <fmt/format.h>

#include <optional>
#include <random>
#include <set>

namespace qoq::roofline {
namespace {

/// Sizes that every point of the operator can be compiled for.
std::string problem_text(std::string_view op, const std::string& scheme) {
  if (op == "gemm") return fmt::format("gemm {} m=256 n=4096 k=8192", scheme);
  if (op == "attention") return fmt::format("attention {} batch=4 heads=32/8 dh=128 ctx=1536", scheme);
  if (op == "append") return fmt::format("append {} batch=4 heads=8 dh=128 ctx=100", scheme);
  if (op == "gather") return fmt::format("gather {} batch=4 heads=8 dh=128 ctx=100", scheme);
  if (scheme == "launch") return "ceiling launch ctas=5";
  if (scheme == "l2") return "ceiling l2 mb=2 reads=3";
  const bool by_warps = scheme.find('.') != std::string::npos || scheme == "shared";
  return fmt::format("ceiling {} {}", scheme, by_warps ? "warps=64 trips=2" : "mb=4");
}

/// A random legal point; its form of dequantisation, where the family has that parameter, is the turn's.
std::optional<Point> draw(const Family& family, const Problem& problem, const Device& device, size_t turn,
                          std::mt19937& random) {
  constexpr int kTries = 20000;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Point point;
    for (const Parameter& p : family.parameters())
      point[p.name] = p.values[(p.name == "dequant" ? turn : random()) % p.values.size()];
    if (!family.unsupported(point, problem, device)) return point;
  }
  return std::nullopt;
}

size_t forms_of(const Family& family) {
  for (const Parameter& p : family.parameters())
    if (p.name == "dequant") return p.values.size();
  return 1;
}

}  // namespace

std::vector<SampledKernel> sample_kernels(const Device& device, unsigned seed) {
  std::vector<SampledKernel> kernels;
  for (const auto& family : families()) {
    for (const std::string& scheme : family->schemes()) {
      std::mt19937 random(seed);
      std::set<std::string> seen;
      const Problem problem = family->canonical(Problem::parse(problem_text(family->op(), scheme)));
      for (size_t turn = 0; turn < forms_of(*family); ++turn) {
        const auto point = draw(*family, problem, device, turn, random);
        if (!point || !seen.insert(family->variant(*point, problem)).second) continue;
        kernels.push_back(
            {fmt::format("{} {}", family->name(), family->variant(*point, problem)), {family.get(), *point, problem}});
        if (const Family* plain = family->reference(); plain && turn == 0)
          kernels.push_back({fmt::format("{} {}", plain->name(), scheme), {plain, *point, problem}});
      }
    }
  }
  return kernels;
}

}  // namespace qoq::roofline
