#include "kernels/checkpoint/floats.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"

namespace qoq {

namespace {

/// Elements converted at a time: their bytes stay in the first-level cache between the read and the conversion.
constexpr size_t block = 4096;

/// The conversions below are kernels/base/float16's, told without branches so that compilers make vectors of them.
/// Each returns a word whose bit 15 is set when the value is not finite in the format that is read or written.

uint32_t widen_half(uint16_t bits, float& value) {
  const uint32_t magnitude = bits & 0x7fffu;
  // Subnormals are counts of 2^-24; the product is exact.
  const uint32_t small = std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f);
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  value = std::bit_cast<float>((magnitude < 0x400u ? small : normal) | (bits & 0x8000u) << 16);
  return magnitude + 0x400u;
}

uint32_t widen_bfloat(uint16_t bits, float& value) {
  value = std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  return (bits & 0x7fffu) + 0x80u;
}

uint32_t copy_float(uint32_t bits, float& value) {
  value = std::bit_cast<float>(bits);
  return ((bits & 0x7fffffffu) + 0x800000u) >> 16;
}

uint32_t narrow_to_half(float value, uint16_t& bits) {
  const uint32_t word = std::bit_cast<uint32_t>(value), magnitude = word & 0x7fffffffu;
  // The sum's unit is fp16's least subnormal, 2^-24: the addition itself rounds.
  const uint32_t small = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
  const uint32_t half = magnitude < 0x38800000u ? small : std::min(normal, 0x7c00u);
  bits = static_cast<uint16_t>(half | (word >> 16 & 0x8000u));
  return half + 0x400u;
}

uint32_t narrow_to_bfloat(float value, uint16_t& bits) {
  const uint32_t word = std::bit_cast<uint32_t>(value), magnitude = word & 0x7fffffffu;
  const uint32_t rounded = std::min(magnitude + 0x7fffu + (magnitude >> 16 & 1u), 0x7f800000u) >> 16;
  bits = static_cast<uint16_t>(rounded | (word >> 16 & 0x8000u));
  return rounded + 0x80u;
}

uint32_t copy_bits(float value, uint32_t& bits) {
  bits = std::bit_cast<uint32_t>(value);
  return ((bits & 0x7fffffffu) + 0x800000u) >> 16;
}

constexpr uint32_t not_finite = 0x8000u;

/// Converts a block. Returns the place of the first value that is not finite, or `count`.
template <auto convert, class From, class To>
size_t convert_all(const From* from, To* to, size_t count) {
  uint32_t seen = 0;
  for (size_t i = 0; i < count; ++i) seen |= convert(from[i], to[i]);
  if ((seen & not_finite) == 0) return count;
  size_t bad = 0;
  while ((convert(from[bad], to[bad]) & not_finite) == 0) ++bad;
  return bad;
}

/// "[3, 17]": where element `at` stands in a tensor of this shape.
std::string coordinates(size_t at, const std::vector<uint64_t>& shape) {
  std::string text;
  for (size_t i = shape.size(); i-- > 0;) {
    text.insert(0, fmt::format("{}{}", at % shape[i], text.empty() ? "" : ", "));
    at /= shape[i];
  }
  return "[" + text + "]";
}

float name_float(uint32_t bits) { return std::bit_cast<float>(bits); }

/// `name_bits` says the bits of a value as a float, infinities and NaN too.
template <auto convert, auto name_bits, class Bits>
void read_as(const Tensor& tensor, std::span<float> values) {
  std::array<Bits, block> bits;
  for (size_t first = 0; first < values.size(); first += block) {
    const size_t count = std::min(block, values.size() - first);
    read_bytes(tensor, first * sizeof(Bits), std::as_writable_bytes(std::span(bits).first(count)));
    const size_t bad = convert_all<convert>(bits.data(), values.data() + first, count);
    if (bad == count) continue;
    bad_input("{}: its element {} is {}, only finite numbers can be used", place_of(tensor),
              coordinates(first + bad, tensor.shape), name_bits(bits[bad]));
  }
}

template <auto convert, class Bits>
void write_as(std::span<const float> values, DType dtype, std::span<std::byte> bytes) {
  std::array<Bits, block> bits;
  for (size_t first = 0; first < values.size(); first += block) {
    const size_t count = std::min(block, values.size() - first);
    const size_t bad = convert_all<convert>(values.data() + first, bits.data(), count);
    if (bad != count)
      bad_input("element {} is {}, which {} cannot hold", first + bad, values[first + bad], dtype_name(dtype));
    std::memcpy(bytes.data() + first * sizeof(Bits), bits.data(), count * sizeof(Bits));
  }
}

}  // namespace

void read_floats(const Tensor& tensor, std::span<float> values) {
  if (values.size() != tensor.bytes.size() / element_bytes(tensor.dtype)) {
    bad_input("{}: has {} elements, but there is room for {}", place_of(tensor),
              tensor.bytes.size() / element_bytes(tensor.dtype), values.size());
  }
  if (tensor.dtype == DType::F16) {
    read_as<widen_half, half_to_float, uint16_t>(tensor, values);
  } else if (tensor.dtype == DType::BF16) {
    read_as<widen_bfloat, bfloat16_to_float, uint16_t>(tensor, values);
  } else if (tensor.dtype == DType::F32) {
    read_as<copy_float, name_float, uint32_t>(tensor, values);
  } else {
    bad_input("{}: its elements are {}, only F16, BF16 and F32 can be read as numbers", place_of(tensor),
              dtype_name(tensor.dtype));
  }
}

std::vector<float> read_floats(const Tensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / element_bytes(tensor.dtype));
  read_floats(tensor, values);
  return values;
}

void write_floats(std::span<const float> values, DType dtype, std::span<std::byte> bytes) {
  if (bytes.size() != values.size() * element_bytes(dtype)) {
    bad_input("{} values of {} do not fill {} bytes", values.size(), dtype_name(dtype), bytes.size());
  }
  if (dtype == DType::F16) {
    write_as<narrow_to_half, uint16_t>(values, dtype, bytes);
  } else if (dtype == DType::BF16) {
    write_as<narrow_to_bfloat, uint16_t>(values, dtype, bytes);
  } else if (dtype == DType::F32) {
    write_as<copy_bits, uint32_t>(values, dtype, bytes);
  } else {
    bad_input("numbers can be written as F16, BF16 and F32, not as {}", dtype_name(dtype));
  }
}

std::vector<std::byte> write_floats(std::span<const float> values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * element_bytes(dtype));
  write_floats(values, dtype, bytes);
  return bytes;
}

}  // namespace qoq
