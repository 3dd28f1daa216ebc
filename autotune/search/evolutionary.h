#pragma once
#include <memory>

#include "autotune/search/strategy.h"

namespace qoq::search {

/// Keeps the fastest points that it knows and breeds new ones: two parents, each the fastest of a few drawn, give each
/// parameter by chance; a few parameters mutate, by a step or to any value. A failed point is slower than any other. A
/// child that was asked before or is not admitted mutates on, so a population that has become alike spreads again. It
/// ends when every point has been asked.
std::unique_ptr<Strategy> make_evolutionary(Space space, const Settings& settings);

}  // namespace qoq::search
