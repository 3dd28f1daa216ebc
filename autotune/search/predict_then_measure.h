#pragma once
#include <memory>

#include "autotune/search/strategy.h"

namespace qoq::search {

/// Ranks the points by their predicted times, asks for the first `first_asked`, then for more while one of them may be
/// the fastest.
///
/// The rule: over the points measured so far, `scale` is the median of measured / predicted, and `error` the 0.9
/// quantile (nearest rank) of |measured / (scale · predicted) − 1|. The next point in rank is asked while
///     scale · predicted ≤ best measured · (1 + noise + error),
/// at most `first_asked` points at once. Points without a prediction come last. While nothing asked so far has a time,
/// the next ones are asked whatever their predictions.
///
/// To predict a point costs a compilation, so a large space is sampled: the first predicted_points() of its admitted
/// points, in an order drawn from the seed, are predicted and ranked. `Settings::predict` may give up before the end of
/// them, where time runs out: those it left without a prediction come last, the others are asked by rank as ever.
std::unique_ptr<Strategy> make_predict_then_measure(Space space, const Settings& settings);

inline constexpr std::size_t first_asked = 16;
inline constexpr std::size_t most_predicted = 20'000;
inline constexpr std::size_t predicted_per_asked = 16;
/// Most points that are predicted: `predicted_per_asked` for each of the budget, and never more than `most_predicted`.
std::size_t predicted_points(const std::optional<int64_t>& budget);
/// Two times that differ by less than this are the same: what a race takes for a tie (measure/decision.h).
inline constexpr double noise = 0.01;

}  // namespace qoq::search
