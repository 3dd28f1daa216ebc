// Where a wgmma finds its B operand in shared memory (PTX: "Matrix Descriptor Format", "Canonical Layouts", K-major).
// Plain arithmetic, the same on both sides.
#pragma once

namespace qoq::prim {

/// N rows of 32 bytes (k) without swizzle, in core matrices of 8 rows × 16 bytes, each 128 contiguous bytes: the
/// neighbour along k lies `leading_bytes` further, the neighbour along N `stride_bytes`. All multiples of 16.
QOQ_DEVICE u64 wgmma_descriptor(u32 at, u32 leading_bytes, u32 stride_bytes) {
  return static_cast<u64>(at >> 4 & 0x3fff) | static_cast<u64>(leading_bytes >> 4 & 0x3fff) << 16 |
         static_cast<u64>(stride_bytes >> 4 & 0x3fff) << 32;
}
/// N rows of 128 bytes, their 16-byte chunks exchanged by chunk ^ row % 8; groups of 8 rows lie `stride_bytes` apart, a
/// multiple of 1024 as is their address. `at` is that address plus 0, 32, 64 or 96: which 32 bytes of k.
QOQ_DEVICE u64 wgmma_descriptor_swizzled(u32 at, u32 stride_bytes) {
  return static_cast<u64>(at >> 4 & 0x3fff) | static_cast<u64>(stride_bytes >> 4 & 0x3fff) << 32 |
         static_cast<u64>(1) << 62;
}

}  // namespace qoq::prim
