#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::attention {

/// attention/gather: pages of the cache back to dense 16-bit keys and values. Lengths and page ids are trusted.
std::unique_ptr<Family> make_gather_family();

}  // namespace qoq::attention
