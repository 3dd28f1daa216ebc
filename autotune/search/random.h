#pragma once
#include <memory>

#include "autotune/search/strategy.h"

namespace qoq::search {

/// Every admitted point once, in an order drawn from the seed: the best baseline for any strategy that claims to learn.
/// The order depends on the seed and the number of combinations alone.
std::unique_ptr<Strategy> make_random(Space space, const Settings& settings);

}  // namespace qoq::search
