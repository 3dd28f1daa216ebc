#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::attention {

/// attention/decode: attention of a few new tokens over a paged KV cache of 4, 8 or 16 bits.
std::unique_ptr<Family> make_decode_family();

}  // namespace qoq::attention
