#include <cmath>

#include "kernels/base/float16.h"
#include "kernels/emulator/api.h"

namespace qoq::emulator {

float half_to_float(u16 bits) { return qoq::half_to_float(bits); }

u32 pack_half2(float low, float high) { return float_to_half(low) | static_cast<u32>(float_to_half(high)) << 16; }

u32 pack_bfloat2(float low, float high) {
  return float_to_bfloat16(low) | static_cast<u32>(float_to_bfloat16(high)) << 16;
}

i32 round_to_int(float value) {
  if (std::isnan(value)) return 0;
  const double rounded = std::nearbyint(static_cast<double>(value));
  return static_cast<i32>(std::fmin(std::fmax(rounded, -2147483648.0), 2147483647.0));
}

float exp2(float x) { return static_cast<float>(std::exp2(static_cast<double>(x))); }
float log2(float x) { return static_cast<float>(std::log2(static_cast<double>(x))); }

}  // namespace qoq::emulator
