#pragma once
#include <memory>

#include "autotune/search/strategy.h"

namespace qoq::search {

/// Every admitted point in index order; the seed plays no part.
std::unique_ptr<Strategy> make_exhaustive(Space space, const Settings& settings);

}  // namespace qoq::search
