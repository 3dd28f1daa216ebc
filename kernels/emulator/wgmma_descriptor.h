// Where the B operand of a wgmma lies (PTX ISA, "Matrix Descriptor Format" and "Canonical Layouts", K-major).
#pragma once
#include "kernels/emulator/api.h"

namespace qoq::emulator {

/// n rows of 32 bytes along k. Without swizzle the unit is a core matrix, 8 rows of 16 bytes, contiguous: the two along
/// k lie `leading` bytes apart, those along n `stride` bytes. With the 128-byte swizzle 8 rows of 128 bytes are
/// contiguous, `stride` bytes lie between such groups, and bits 4-6 of an address are exchanged by its bits 7-9.
class BOperand {
 public:
  BOperand(u64 descriptor, u32 rows)
      : n(rows),
        start_(field(descriptor, 0)),
        leading_(field(descriptor, 16)),
        stride_(field(descriptor, 32)),
        swizzled_(descriptor >> 62 == 1) {}

  /// Why the emulator refuses the descriptor; null when it does not.
  static const char* illegal(u64 descriptor) {
    constexpr u64 fields = 0xc00e'3fff'3fff'3fffull;
    if ((descriptor & ~fields) != 0) return "the descriptor has bits outside its fields";
    if (descriptor >> 62 > 1) return "only no swizzle and the 128-byte swizzle are modelled";
    if ((descriptor >> 49 & 7) != 0) return "only a base offset of 0 is modelled";
    if (descriptor >> 62 == 0) return nullptr;
    if (field(descriptor, 32) % 1024 != 0) return "a swizzled operand's groups of rows must be 1024-byte aligned";
    if (field(descriptor, 0) % 1024 % 32 != 0 || field(descriptor, 0) % 1024 >= 128) {
      return "a swizzled operand begins in the first row of a 1024-byte aligned group, at a multiple of 32 bytes";
    }
    return nullptr;
  }

  /// Shared address of 16 bytes: half 0 or 1 of a row.
  u32 address(u32 row, u32 half) const {
    if (!swizzled_) return start_ + half * leading_ + row / 8 * stride_ + row % 8 * 16;
    const u32 plain = start_ + half * 16 + row / 8 * stride_ + row % 8 * 128;
    return plain ^ (plain >> 7 & 7) << 4;
  }

  const u32 n;

 private:
  static u32 field(u64 descriptor, u32 bit) { return static_cast<u32>(descriptor >> bit & 0x3fff) << 4; }

  u32 start_;
  u32 leading_;
  u32 stride_;
  bool swizzled_;
};

}  // namespace qoq::emulator
