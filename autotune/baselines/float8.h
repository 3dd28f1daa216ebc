#pragma once
#include <cstdint>

namespace qoq::baselines {

/// FP8 E4M3 as bit patterns: 4 exponent bits with bias 7, 3 mantissa bits, no infinities; 0x7f and 0xff are NaN.
/// (Micikevicius et al., "FP8 Formats for Deep Learning", table 1.) Conversion rounds to nearest even and saturates at
/// ±448; a NaN stays one.
uint8_t float_to_e4m3(float value);
float e4m3_to_float(uint8_t bits);

}  // namespace qoq::baselines
