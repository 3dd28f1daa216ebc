#pragma once
#include <cstdint>
#include <memory>

#include "autotune/search/strategy.h"

namespace qoq::search {

/// Every admitted point in index order; the seed plays no part.
std::unique_ptr<Strategy> make_exhaustive(Space space, uint64_t seed);

}  // namespace qoq::search
