#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::gemm {

/// gemm/plain: what other GEMM families' results must equal, byte for byte. prepare() and check() take the point of the
/// variant under test: an ablated one multiplies other weights.
std::unique_ptr<Family> make_plain_family();

}  // namespace qoq::gemm
