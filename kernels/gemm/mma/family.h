#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::gemm {

/// gemm/mma: mma.sync GEMMs for sm_80 and up; schemes w4a8-g128, w4a8-channel and w8a8, and w4a16-g128 and w4a4-g128 to
/// compare them with (kernel.cuh draws the partition).
std::unique_ptr<Family> make_mma_family();

}  // namespace qoq::gemm
