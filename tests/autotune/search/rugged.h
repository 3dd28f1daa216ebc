#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "autotune/search/permutation.h"
#include "autotune/search/strategy.h"

namespace qoq::search::testing {

inline Parameter range(std::string name, int count) {
  Parameter parameter{std::move(name), "", {}, {}};
  for (int i = 0; i < count; ++i) parameter.values.push_back(i);
  return parameter;
}

/// A made-up kernel's space that is like real ones: tiles whose sizes must fit each other and the shared memory, a best
/// region that several parameters decide together, one that counts little, ruggedness of ± 15 % that belongs to each
/// point, and one point in twelve that fails. 12,960 combinations, about a quarter of them admitted.
struct Rugged {
  static Space space() {
    return Space(
        {
            {"block_m", "", {16, 32, 64, 128, 256}, {}},
            {"block_n", "", {16, 32, 64, 128, 256, 512}, {}},
            {"block_k", "", {32, 64, 128}, {}},
            {"warps", "", {1, 2, 4, 8}, {}},
            {"stages", "", {2, 3, 4}, {}},
            {"split", "", {1, 2, 4, 8}, {}},
            {"raster", "", {1, 2, 4}, {}},
        },
        [](const Point& p) {
          const int elements = p.at("block_m") * p.at("block_n") / (32 * p.at("warps"));
          const int bytes = (p.at("block_m") + p.at("block_n")) * p.at("block_k") * p.at("stages");
          return elements >= 4 && elements <= 128 && bytes <= 100'000;
        });
  }

  /// A few thousandths to some tens of the least; the same on every machine.
  static std::optional<double> time_us(const Point& p) {
    uint64_t hash = 0;
    for (const auto& [name, value] : p) hash = mix(hash ^ static_cast<uint64_t>(value));
    if (hash % 12 == 0) return std::nullopt;
    const double m = p.at("block_m"), n = p.at("block_n"), k = p.at("block_k");
    const double ctas = 4096 / m * (4096 / n) * p.at("split");
    const double filled = std::min(1.0, ctas / 600), tail = 1 + 20 / ctas;
    const double traffic = 40 * (64 / m + 64 / n), compute = 100 * (1 + 8 / k) / filled;
    const double hidden = 1.0 / (p.at("stages") * p.at("warps"));  // the latency that is not
    const double merge = 3.0 * (p.at("split") - 1), raster = p.at("raster") == 2 ? 0 : 4;
    const double smooth = (std::max(traffic, compute) + hidden * std::min(traffic, compute)) * tail + merge + raster;
    return smooth * (0.85 + 0.3 * static_cast<double>((hash >> 20) % 1000) / 1000);
  }
};

/// Asks to the end, or for so many points, and answers; every point in the order asked.
template <class Answer>
std::vector<Point> search_all(Strategy& strategy, Answer&& answer, size_t most = SIZE_MAX) {
  std::vector<Point> all;
  while (all.size() < most) {
    const std::vector<Point> batch = strategy.ask();
    if (batch.empty()) break;
    std::vector<Evaluated> answers;
    for (const Point& point : batch) answers.push_back({point, answer(point)});
    strategy.tell(answers);
    all.insert(all.end(), batch.begin(), batch.end());
  }
  return all;
}

}  // namespace qoq::search::testing
