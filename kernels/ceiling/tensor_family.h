#pragma once
#include <memory>

#include "kernels/family.h"

namespace qoq::ceiling {

/// ceiling/tensor: "ceiling mma.int8 warps=2112 trips=256": a warp runs 128 mma.sync a trip (m16n8k32 of int8, or
/// mma.fp16: m16n8k16 summed in fp32) on fragments that stay in its registers.
std::unique_ptr<Family> make_mma_family();

/// ceiling/wgmma: "ceiling wgmma.int8 warps=1056 trips=256": a warpgroup runs 64 × 2048 × 32 multiply-adds a trip, A in
/// registers, B in shared memory. Compute capability 9.0 alone.
std::unique_ptr<Family> make_wgmma_family();

}  // namespace qoq::ceiling
