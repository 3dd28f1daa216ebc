#include "kernels/checkpoint/floats.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/float16.h"
#include "kernels/base/random.h"
#include "tests/kernels/checkpoint/scratch_folder.h"

namespace qoq::test {
namespace {

template <class T>
Tensor tensor_of(const std::vector<T>& values, DType dtype, std::vector<uint64_t> shape = {}) {
  if (shape.empty()) shape = {values.size()};
  return {.name = "w", .dtype = dtype, .shape = std::move(shape), .bytes = std::as_bytes(std::span(values))};
}

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

TEST(Floats, EveryFiniteHalfAndBfloat) {
  for (const bool half : {true, false}) {
    const auto widen = half ? half_to_float : bfloat16_to_float;
    const DType dtype = half ? DType::F16 : DType::BF16;
    std::vector<uint16_t> bits;
    for (uint32_t each = 0; each < 0x10000; ++each) {
      if (std::isfinite(widen(static_cast<uint16_t>(each)))) bits.push_back(static_cast<uint16_t>(each));
    }
    ASSERT_GT(bits.size(), 60000u);
    const std::vector<float> values = read_floats(tensor_of(bits, dtype));
    for (size_t i = 0; i < bits.size(); ++i) ASSERT_TRUE(same_bits(values[i], widen(bits[i]))) << bits[i];
    std::vector<uint16_t> back(bits.size());
    write_floats(values, dtype, std::as_writable_bytes(std::span(back)));
    EXPECT_EQ(back, bits);
  }
}

/// Ties, the steps between subnormal and normal, and the last numbers before infinity, with their neighbours.
TEST(Floats, NarrowingRoundsAsTheScalarConversions) {
  Random random(7);
  std::vector<float> values;
  for (int i = 0; i < 400000; ++i) values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random.next())));
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    const float low = half_to_float(static_cast<uint16_t>(half)), high = half_to_float(static_cast<uint16_t>(half + 1));
    const float tie = half == 0x7bff ? 65519.99f : (low + high) / 2;
    for (const float x : {tie, std::nextafter(tie, 0.0f), std::nextafter(tie, 1e9f)})
      values.push_back(half % 2 ? x : -x);
  }
  for (const bool to_half : {true, false}) {
    const auto narrow = to_half ? float_to_half : float_to_bfloat16;
    const auto widen = to_half ? half_to_float : bfloat16_to_float;
    std::vector<float> held;
    std::vector<uint16_t> expected;
    for (const float value : values) {
      if (!std::isfinite(value) || !std::isfinite(widen(narrow(value)))) continue;
      held.push_back(value);
      expected.push_back(narrow(value));
    }
    ASSERT_GT(held.size(), 100000u);
    std::vector<uint16_t> bits(held.size());
    write_floats(held, to_half ? DType::F16 : DType::BF16, std::as_writable_bytes(std::span(bits)));
    for (size_t i = 0; i < bits.size(); ++i) ASSERT_EQ(bits[i], expected[i]) << held[i];
  }
}

TEST(Floats, SinglePrecisionIsCopiedFromAnyAlignment) {
  const std::vector<float> values{1, -0.0f, std::numeric_limits<float>::denorm_min(), -3.4e38f};
  std::vector<std::byte> bytes(1 + 4 * values.size());
  std::memcpy(bytes.data() + 1, values.data(), 4 * values.size());
  const std::vector<float> read =
      read_floats({.name = "w", .dtype = DType::F32, .shape = {4}, .bytes = std::span(bytes).subspan(1)});
  for (size_t i = 0; i < values.size(); ++i) EXPECT_TRUE(same_bits(read[i], values[i]));
  EXPECT_EQ(write_floats(values, DType::F32), std::vector<std::byte>(bytes.begin() + 1, bytes.end()));
}

/// The first place in the tensor is named, wherever it lies in the blocks that are converted at a time.
TEST(Floats, NotFiniteIsRefusedWithItsPlace) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const size_t at : {size_t{0}, size_t{4095}, size_t{4096}, size_t{8999}}) {
    SCOPED_TRACE(at);
    const std::string place = fmt::format("tensor \"w\": its element [{}, {}] is ", at / 100, at % 100);
    std::vector<uint16_t> halves(9000, 0x3c00);
    halves[at] = 0xfc00;
    const auto refusal = [&](DType dtype) {
      return complaint(Fault::Input, [&] { read_floats(tensor_of(halves, dtype, {90, 100})); });
    };
    EXPECT_EQ(refusal(DType::F16), place + "-inf, only finite numbers can be used");
    halves[at] = 0x7fc1;
    halves[8999] = 0x7f80;
    EXPECT_EQ(refusal(DType::BF16), place + (at == 8999 ? "inf" : "nan") + ", only finite numbers can be used");
    std::vector<float> floats(9000, 1.0f);
    floats[at] = -infinity;
    EXPECT_EQ(complaint(Fault::Input,
                        [&] {
                          read_floats(tensor_of(floats, DType::F32, {90, 100}));
                        }),
              place + "-inf, only finite numbers can be used");
  }
}

TEST(Floats, WhatAFormatCannotHoldIsRefused) {
  const auto refusal = [](float value, DType dtype) {
    return complaint(Fault::Input, [&] { write_floats(std::vector<float>{0, value}, dtype); });
  };
  EXPECT_EQ(refusal(65520, DType::F16), "element 1 is 65520, which F16 cannot hold");
  EXPECT_EQ(refusal(-3.4e38f, DType::F16), "element 1 is -3.4e+38, which F16 cannot hold");
  EXPECT_EQ(refusal(std::nanf(""), DType::F16), "element 1 is nan, which F16 cannot hold");
  EXPECT_NE(refusal(std::numeric_limits<float>::max(), DType::BF16), "");
  EXPECT_NE(refusal(-std::numeric_limits<float>::infinity(), DType::F32), "");
  EXPECT_EQ(refusal(1, DType::F64), "numbers can be written as F16, BF16 and F32, not as F64");
  EXPECT_NO_THROW(write_floats(std::vector<float>{65519, -65504}, DType::F16));
}

TEST(Floats, OtherTypesAndSizesAreRefused) {
  const std::vector<int8_t> bytes(4);
  EXPECT_EQ(complaint(Fault::Input, [&] { read_floats(tensor_of(bytes, DType::I8)); }),
            "tensor \"w\": its elements are I8, only F16, BF16 and F32 can be read as numbers");
  std::vector<float> three(3);
  EXPECT_EQ(complaint(Fault::Input, [&] { read_floats(tensor_of(bytes, DType::F16, {2}), three); }),
            "tensor \"w\": has 2 elements, but there is room for 3");
  EXPECT_NE(complaint(Fault::Input, [&] { write_floats(three, DType::F16, std::span<std::byte>()); }), "");
}

}  // namespace
}  // namespace qoq::test
