// Fixed-width names, the same on both sides and free of any header.
#pragma once

namespace qoq {

using i8 = signed char;
using u8 = unsigned char;
using i16 = short;
using u16 = unsigned short;
using i32 = int;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;

/// 8 and 16 bytes moved by one instruction.
struct alignas(8) u32x2 {
  u32 x, y;
};
struct alignas(16) u32x4 {
  u32 x, y, z, w;
};

/// IEEE binary16 and bfloat16 as stored in memory.
struct half {
  u16 bits;
};
struct bfloat {
  u16 bits;
};

}  // namespace qoq
