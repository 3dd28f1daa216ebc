#pragma once
#include <cstdint>

namespace qoq {

/// IEEE binary16 and bfloat16 as bit patterns. Conversion from float rounds to nearest even, as PTX cvt.rn does:
/// overflow becomes infinity, subnormals are kept, a NaN becomes the quiet NaN 0x7fff.
/// (PTX ISA, "Data Movement and Conversion Instructions: cvt".)
uint16_t float_to_half(float value);
uint16_t float_to_bfloat16(float value);
float half_to_float(uint16_t bits);
float bfloat16_to_float(uint16_t bits);

}  // namespace qoq
