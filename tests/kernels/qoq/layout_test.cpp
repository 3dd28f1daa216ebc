#include "kernels/qoq/layout.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <random>

#include "kernels/base/error.h"

namespace qoq {
namespace {

/// QServe's packing as its public converters write it, in numpy's terms: reshape to (N/32, 2, 2, 8, K/32, 2, 4, 4),
/// transpose to (0, 4, 3, 6, 1, 5, 2, 7), move the axis of n/16 last, and pack its two entries as low and high nibble.
/// Independent of the formula under test: it walks the axes.
std::vector<uint8_t> pack_by_transposing(const std::vector<uint8_t>& q4, int n, int k) {
  const std::array<int, 8> shape{n / 32, 2, 2, 8, k / 32, 2, 4, 4};
  std::array<size_t, 8> stride{};
  size_t step = 1;
  for (int axis = 7; axis >= 0; --axis) {
    stride[static_cast<size_t>(axis)] = step;
    step *= static_cast<size_t>(shape[static_cast<size_t>(axis)]);
  }
  constexpr std::array<size_t, 7> order{0, 4, 3, 6, 5, 2, 7};  // all but axis 1 (n%32/16)
  std::vector<uint8_t> packed;
  std::array<int, 7> index{};
  while (true) {
    size_t at = 0;
    for (size_t i = 0; i < order.size(); ++i) at += static_cast<size_t>(index[i]) * stride[order[i]];
    packed.push_back(static_cast<uint8_t>(q4[at] | q4[at + stride[1]] << 4));
    size_t axis = order.size();
    while (axis > 0 && ++index[axis - 1] == shape[order[axis - 1]]) index[--axis] = 0;
    if (axis == 0) return packed;
  }
}

std::vector<uint8_t> random_codes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> codes(count);
  for (auto& code : codes) code = static_cast<uint8_t>(random() & 15);
  return codes;
}

TEST(QServeLayout, WeightsAreByteExactBothWays) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  for (const auto& [n, k] : {std::pair{32, 32}, {64, 128}, {96, 160}, {256, 512}}) {
    const auto codes = random_codes(static_cast<size_t>(n) * static_cast<size_t>(k), seed);
    const auto packed = pack_qserve_weights(codes, n, k);
    EXPECT_EQ(packed, pack_by_transposing(codes, n, k));
    EXPECT_EQ(unpack_qserve_weights(packed, n, k), codes);
    EXPECT_EQ(pack_qserve_weights(unpack_qserve_weights(packed, n, k), n, k), packed);
  }
}

/// The header's formula, weight by weight.
TEST(QServeLayout, EveryNibbleStandsWhereTheFormulaSays) {
  const int n = 96, k = 160;
  const auto codes = random_codes(static_cast<size_t>(n) * k, 7);
  const auto packed = pack_qserve_weights(codes, n, k);
  for (int column = 0; column < n; ++column) {
    for (int row = 0; row < k; ++row) {
      const int lane = column % 8 * 4 + row % 16 / 4, byte = row % 32 / 16 * 8 + column % 16 / 8 * 4 + row % 4;
      const int at = (column / 32 * (k / 32) + row / 32) * 512 + lane * 16 + byte;
      const int nibble = packed[static_cast<size_t>(at)] >> (column % 32 < 16 ? 0 : 4) & 15;
      ASSERT_EQ(nibble, codes[static_cast<size_t>(column * k + row)]) << "n=" << column << " k=" << row;
    }
  }
}

TEST(QServeLayout, NamesTheFirstCodeBeyond15) {
  std::vector<uint8_t> codes(64 * 64, 15);
  codes[40 * 64 + 3] = 16;
  codes[3 * 64 + 41] = 200;
  try {
    pack_qserve_weights(codes, 64, 64);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "weight n=3 k=41 is 200, a 4-bit code is 0 to 15");
  }
}

TEST(QServeLayout, MetadataIsByteExactBothWays) {
  // As the converters write it: each row of N reshaped to (N/32, 4, 8), the last two axes exchanged.
  const int n = 96, groups = 3;
  std::vector<int8_t> values(static_cast<size_t>(n) * groups), expected;
  std::iota(values.begin(), values.end(), static_cast<int8_t>(-100));
  for (int g = 0; g < groups; ++g) {
    for (int block = 0; block < n / 32; ++block) {
      for (int row = 0; row < 8; ++row) {
        for (int i = 0; i < 4; ++i) expected.push_back(values[static_cast<size_t>(g * n + block * 32 + i * 8 + row)]);
      }
    }
  }
  EXPECT_EQ(pack_qserve_metadata(values, n), expected);
  EXPECT_EQ(unpack_qserve_metadata(expected, n), values);
}

TEST(FragmentLayout, MetadataGoesBothWays) {
  const int n = 64;
  GroupMetadata metadata;
  for (int i = 0; i < 2 * n; ++i) {
    metadata.scale.push_back(static_cast<int8_t>(i % 17));
    metadata.offset.push_back(static_cast<int8_t>(-i));
  }
  const auto packed = pack_fragment_metadata(metadata, n);
  ASSERT_EQ(packed.size(), metadata.scale.size() * 2);
  // Column 9 of group 1: strip 0, row 1, second of its four columns.
  EXPECT_EQ(packed[static_cast<size_t>(n * 2 + 8 + 1)], metadata.scale[static_cast<size_t>(n + 9)]);
  EXPECT_EQ(packed[static_cast<size_t>(n * 2 + 8 + 4 + 1)], metadata.offset[static_cast<size_t>(n + 9)] + 128);
  EXPECT_EQ(unpack_fragment_metadata(packed, n), metadata);
}

TEST(QServeLayout, RefusesWhatItCannotHold) {
  EXPECT_THROW(pack_qserve_weights(std::vector<uint8_t>(32 * 40), 32, 40), Error);
  EXPECT_THROW(pack_qserve_weights(std::vector<uint8_t>(31), 32, 32), Error);
  EXPECT_THROW(pack_qserve_weights(std::vector<uint8_t>(1024, 16), 32, 32), Error);
  EXPECT_THROW(unpack_qserve_weights(std::vector<uint8_t>(511), 32, 32), Error);
  EXPECT_THROW(pack_qserve_metadata(std::vector<int8_t>(33), 33), Error);
}

TEST(GroupRange, ImadRangeIsWhatStaysInInt8) {
  std::vector<uint8_t> codes(32 * 128, 15);
  GroupMetadata metadata{std::vector<int8_t>(32, 16), std::vector<int8_t>(32, -113)};  // 15·16 − 113 = 127
  EXPECT_EQ(outside_imad_range(codes, metadata, 32, 128), std::nullopt);
  metadata.offset[7] = -112;  // 128
  const auto why = outside_imad_range(codes, metadata, 32, 128);
  ASSERT_TRUE(why);
  EXPECT_NE(why->find("weight n=7 k=0 is 15·16 + -112 = 128"), std::string::npos) << *why;
  EXPECT_EQ(reconstruct_int8(codes, metadata, 32, 128)[7 * 128], -128) << "QServe's addition wraps";
}

}  // namespace
}  // namespace qoq
