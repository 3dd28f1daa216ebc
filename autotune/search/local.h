#pragma once
#include <memory>

#include "autotune/search/strategy.h"

namespace qoq::search {

/// Iterated local search. It begins with random points and climbs from the best of them: to the best of a small batch
/// of neighbours (one parameter changed, a step up or down before any other value) as soon as one is faster. At a local
/// optimum it leaps: some parameters of the best optimum so far are drawn anew, and it climbs from the best of a few
/// such points. After some leaps without gain it begins anew at random. It ends when every point has been asked.
std::unique_ptr<Strategy> make_local(Space space, const Settings& settings);

}  // namespace qoq::search
