#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::attention {

/// attention/append: new keys and values into the pages of the cache. Lengths and page ids are trusted.
std::unique_ptr<Family> make_append_family();

}  // namespace qoq::attention
