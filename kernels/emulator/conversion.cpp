#include "kernels/base/float16.h"
#include "kernels/emulator/api.h"

namespace qoq::emulator {

float half_to_float(u16 bits) { return qoq::half_to_float(bits); }

u32 pack_half2(float low, float high) { return float_to_half(low) | static_cast<u32>(float_to_half(high)) << 16; }

u32 pack_bfloat2(float low, float high) {
  return float_to_bfloat16(low) | static_cast<u32>(float_to_bfloat16(high)) << 16;
}

}  // namespace qoq::emulator
