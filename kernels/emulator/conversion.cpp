#include <cmath>

#include "kernels/base/float16.h"
#include "kernels/emulator/api.h"

namespace qoq::emulator {

float half_to_float(u16 bits) { return qoq::half_to_float(bits); }

u32 pack_half2(float low, float high) { return float_to_half(low) | static_cast<u32>(float_to_half(high)) << 16; }

u32 pack_bfloat2(float low, float high) {
  return float_to_bfloat16(low) | static_cast<u32>(float_to_bfloat16(high)) << 16;
}

namespace {

/// a · b + c of binary16, rounded once. The product is exact in double; what the sum and the step to float lose is kept
/// as a sticky last bit (round to odd), so that the rounding to 11 bits sees which side of a midpoint it is on.
u16 fma_half(u16 a, u16 b, u16 c) {
  const double product = static_cast<double>(half_to_float(a)) * static_cast<double>(half_to_float(b));
  const double addend = half_to_float(c);
  const double sum = product + addend;
  if (!std::isfinite(sum)) return float_to_half(static_cast<float>(sum));
  const double larger = sum - product;
  const double lost = (product - (sum - larger)) + (addend - larger);  // Knuth's two-sum: exact
  float rounded = static_cast<float>(sum);
  const double rest = (sum - static_cast<double>(rounded)) + lost;
  if (rest != 0) {
    if (std::signbit(rest) != std::signbit(rounded)) rounded = std::nextafter(rounded, 0.0f);
    rounded = __builtin_bit_cast(float, __builtin_bit_cast(u32, rounded) | 1u);
  }
  return float_to_half(rounded);
}

}  // namespace

u32 fma_half2(u32 a, u32 b, u32 c) {
  const u32 low = fma_half(static_cast<u16>(a), static_cast<u16>(b), static_cast<u16>(c));
  return low |
         static_cast<u32>(fma_half(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16), static_cast<u16>(c >> 16)))
             << 16;
}

i32 round_to_int(float value) {
  if (std::isnan(value)) return 0;
  const double rounded = std::nearbyint(static_cast<double>(value));
  return static_cast<i32>(std::fmin(std::fmax(rounded, -2147483648.0), 2147483647.0));
}

float exp2(float x) { return static_cast<float>(std::exp2(static_cast<double>(x))); }
float log2(float x) { return static_cast<float>(std::log2(static_cast<double>(x))); }

}  // namespace qoq::emulator
