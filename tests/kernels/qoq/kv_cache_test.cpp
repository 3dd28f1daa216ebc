#include "kernels/qoq/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/base/float16.h"
#include "kernels/base/random.h"

namespace qoq::test {
namespace {

constexpr KvLayout layouts[] = {KvLayout::QServe, KvLayout::Fragment};
constexpr KvSide sides[] = {KvSide::Key, KvSide::Value};

template <class Test>
void for_every_shape(const Test& test) {
  for (const int bits : {4, 8, 16}) {
    for (const int head_dim : {64, 128, 256}) {
      for (const int page : {16, 32, 64, 128}) {
        SCOPED_TRACE(testing::Message() << bits << " bits, Dh " << head_dim << ", page " << page);
        test(KvShape{2, head_dim, page, bits});
      }
    }
  }
}

std::vector<std::byte> random_page(const KvShape& shape, uint64_t seed) {
  return Random(seed).bytes<std::byte>(shape.page_bytes(), [](uint8_t byte) { return std::byte{byte}; });
}

KvRow random_row(const KvShape& shape, Random& random) {
  KvRow row;
  for (int d = 0; d < shape.head_dim; ++d) {
    row.codes.push_back(static_cast<uint16_t>(random.between(0, (1 << shape.bits) - 1)));
  }
  if (shape.bits == 16) return row;
  row.scale = static_cast<uint16_t>(random.between(0, 65535));
  row.zero = static_cast<uint16_t>(random.between(0, 65535));
  return row;
}

std::vector<KvRow> read_all(std::span<const std::byte> page, const KvShape& shape, KvLayout layout, KvSide side) {
  std::vector<KvRow> rows;
  for (int head = 0; head < shape.kv_heads; ++head) {
    for (int slot = 0; slot < shape.page; ++slot) {
      rows.push_back(read_kv_row(page, shape, layout, side, head, slot));
    }
  }
  return rows;
}

template <class T>
T load(std::span<const std::byte> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// ---- quantisation

TEST(QuantizeKv, WholeRangeIsExact) {
  std::vector<float> x(16);
  std::iota(x.begin(), x.end(), 0.0f);
  const KvRow row = quantize_kv(x, 4);
  EXPECT_EQ(half_to_float(row.scale), 1.0f);
  EXPECT_EQ(half_to_float(row.zero), 0.0f);
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(row.codes[i], i);
  EXPECT_EQ(dequantize_kv(row, 4), x);
}

TEST(QuantizeKv, ErrorIsHalfAStep) {
  Random random(1);
  for (const int bits : {4, 8}) {
    for (int round = 0; round < 200; ++round) {
      std::vector<float> x(64);
      for (float& value : x) value = random.uniform(-2.0f, 3.0f);
      const KvRow row = quantize_kv(x, bits);
      const std::vector<float> back = dequantize_kv(row, bits);
      const float scale = half_to_float(row.scale), zero = half_to_float(row.zero);
      // Half a step, and what fp16 takes from scale and zero.
      const float bound = 0.5f * scale + 0x1p-10f * scale * (std::fabs(zero) + static_cast<float>(1 << bits));
      for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], bound);
    }
  }
}

TEST(QuantizeKv, EqualValuesStayExactToFp16) {
  for (const int bits : {4, 8}) {
    for (const float value : {0.0f, 1.0f, -1.0f, 3.7f, -0.0123f, 300.0f, 65504.0f, -65504.0f}) {
      const KvRow row = quantize_kv(std::vector<float>(64, value), bits);
      EXPECT_TRUE(std::isfinite(half_to_float(row.scale)) && std::isfinite(half_to_float(row.zero))) << value;
      const float bound = std::fabs(value) * 0x1.01p-11f + (std::fabs(value) < 2.0f ? 0x1p-15f : 0.0f);
      for (const float back : dequantize_kv(row, bits)) EXPECT_NEAR(back, value, bound) << bits;
    }
  }
}

TEST(QuantizeKv, HugeOffsetClampsInsteadOfWrapping) {
  Random random(2);
  int beyond = 0;
  for (int round = 0; round < 2000; ++round) {
    const float offset = random.uniform(-3000.0f, 3000.0f);
    std::vector<float> x(64);
    for (float& value : x) value = offset + random.uniform(-1.0f, 1.0f);
    std::sort(x.begin(), x.end());
    const KvRow row = quantize_kv(x, 4);
    // A wrapped code would break the order.
    EXPECT_TRUE(std::is_sorted(row.codes.begin(), row.codes.end()));
    const float top = std::rint(x.back() / half_to_float(row.scale) + half_to_float(row.zero));
    if (top > 15.0f) {
      ++beyond;
      EXPECT_EQ(row.codes.back(), 15);
    }
    for (const float back : dequantize_kv(row, 4)) EXPECT_NEAR(back, offset, 1.0f + std::fabs(offset) * 0x1p-9f);
  }
  EXPECT_GT(beyond, 20) << "the case that wraps must have occurred";
}

TEST(QuantizeKv, TinyValuesHitTheFloor) {
  const std::vector<float> x{1e-7f, -1e-7f, 3e-6f, 0.0f};
  for (const int bits : {4, 8}) {
    const KvRow row = quantize_kv(x, bits);
    EXPECT_EQ(half_to_float(row.scale), 0x1p-14f);
    const std::vector<float> back = dequantize_kv(row, bits);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], 0x1p-15f);
  }
}

TEST(QuantizeKv, NanIsCodeZeroAndHarmsNoOther) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const KvRow with = quantize_kv(std::vector<float>{nan, -1.0f, 0.5f, nan, 2.0f}, 8);
  const KvRow without = quantize_kv(std::vector<float>{-1.0f, 0.5f, 2.0f}, 8);
  EXPECT_EQ(with.scale, without.scale);
  EXPECT_EQ(with.zero, without.zero);
  EXPECT_EQ(with.codes, (std::vector<uint16_t>{0, without.codes[0], without.codes[1], 0, without.codes[2]}));
  const KvRow none = quantize_kv(std::vector<float>(4, nan), 4);
  EXPECT_EQ(none.codes, std::vector<uint16_t>(4, 0));
  EXPECT_EQ(dequantize_kv(none, 4), std::vector<float>(4, 0.0f));
}

TEST(QuantizeKv, ZeroHasOneFormWhateverTheSignsAndTheOrder) {
  const KvRow row = quantize_kv(std::vector<float>{0.0f, -0.0f}, 4);
  for (const auto& x : {std::vector<float>{-0.0f, 0.0f}, {0.0f, 0.0f}, {-0.0f, -0.0f}})
    EXPECT_EQ(quantize_kv(x, 4), row);
  EXPECT_EQ(dequantize_kv(row, 4), std::vector<float>(2, 0.0f));
}

TEST(DequantizeKv, SixteenBitsAreFloatsAsTheyLie) {
  const KvRow row{{0x3c00, 0xbf80}, 0, 0};
  EXPECT_EQ(dequantize_kv(row, 16)[0], 1.0f);
  EXPECT_EQ(dequantize_kv(row, 16, true)[1], -1.0f);
}

// ---- pages

TEST(KvPage, SizesAreQServes) {
  const KvShape shape{8, 128, 64, 4};
  EXPECT_EQ(shape.head_bytes(), 64u * 68u);
  EXPECT_EQ(shape.page_bytes(), 8u * 64u * 68u);
  EXPECT_EQ((KvShape{1, 128, 16, 16}.head_bytes()), 16u * 256u);
}

TEST(KvPage, EveryRowComesBack) {
  for_every_shape([](const KvShape& shape) {
    for (const KvLayout layout : layouts) {
      for (const KvSide side : sides) {
        Random random(3);
        std::vector<std::byte> page = random_page(shape, 4);
        std::vector<KvRow> rows;
        for (int i = 0; i < shape.kv_heads * shape.page; ++i) rows.push_back(random_row(shape, random));
        for (int i = static_cast<int>(rows.size()) - 1; i >= 0; --i) {
          write_kv_row(page, shape, layout, side, i / shape.page, i % shape.page, rows[static_cast<size_t>(i)]);
        }
        EXPECT_EQ(read_all(page, shape, layout, side), rows);
      }
    }
  });
}

TEST(KvPage, WritingARowChangesNoOther) {
  for_every_shape([](const KvShape& shape) {
    for (const KvLayout layout : layouts) {
      for (const KvSide side : sides) {
        Random random(5);
        std::vector<std::byte> page = random_page(shape, 6);
        std::vector<KvRow> rows = read_all(page, shape, layout, side);
        for (const int i : {0, 3, shape.page - 1, shape.page + 8, 2 * shape.page - 1}) {
          rows[static_cast<size_t>(i)] = random_row(shape, random);
          write_kv_row(page, shape, layout, side, i / shape.page, i % shape.page, rows[static_cast<size_t>(i)]);
          EXPECT_EQ(read_all(page, shape, layout, side), rows) << "row " << i;
        }
      }
    }
  });
}

TEST(KvPage, ConvertsBothWays) {
  for_every_shape([](const KvShape& shape) {
    for (const KvSide side : sides) {
      const std::vector<std::byte> qserve = random_page(shape, 7);
      std::vector<std::byte> fragment(qserve.size()), back(qserve.size());
      convert_kv_page(qserve, KvLayout::QServe, fragment, KvLayout::Fragment, shape, side);
      convert_kv_page(fragment, KvLayout::Fragment, back, KvLayout::QServe, shape, side);
      EXPECT_EQ(back, qserve);  // so every byte of both layouts is used
      EXPECT_NE(fragment, qserve);
      EXPECT_EQ(read_all(fragment, shape, KvLayout::Fragment, side), read_all(qserve, shape, KvLayout::QServe, side));
    }
  });
}

TEST(KvPage, QServeBytes) {
  for_every_shape([](const KvShape& shape) {
    const std::vector<std::byte> page = random_page(shape, 8);
    const size_t row_bytes = static_cast<size_t>(shape.head_dim * shape.bits) / 8;
    const std::vector<KvRow> rows = read_all(page, shape, KvLayout::QServe, KvSide::Key);
    EXPECT_EQ(read_all(page, shape, KvLayout::QServe, KvSide::Value), rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      for (size_t d = 0; d < rows[i].codes.size(); ++d) {
        const size_t at = i * row_bytes;
        int code = 0;
        if (shape.bits == 16) code = load<uint16_t>(page, at + 2 * d);
        if (shape.bits == 8) code = load<uint8_t>(page, at + d);
        if (shape.bits == 4) {
          const int byte = load<uint8_t>(page, at + d / 2);
          code = d % 2 == 0 ? byte & 15 : byte >> 4;
        }
        ASSERT_EQ(rows[i].codes[d], code) << "row " << i << " channel " << d;
      }
      if (shape.bits == 16) continue;
      ASSERT_EQ(rows[i].scale, load<uint16_t>(page, rows.size() * row_bytes + 2 * i));
      ASSERT_EQ(rows[i].zero, load<uint16_t>(page, rows.size() * (row_bytes + 2) + 2 * i));
    }
  });
}

/// The codes of one unit, filled by reading each lane's words in turn, as a kernel would.
class Unit {
 public:
  Unit(std::span<const std::byte> bytes, int head_dim, int bits)
      : codes(16, std::vector<int>(static_cast<size_t>(head_dim), -1)),
        bytes_(bytes),
        head_dim_(head_dim),
        bits_(bits) {}

  void read_keys() {
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int j = 0; j < head_dim_ / 16; ++j) {
        const int c = 16 * j + 4 * t;
        const std::array<int, 4> channels{c, c + 2, c + 1, c + 3};
        if (bits_ == 4) {
          for (int i = 0; i < 4; ++i) {
            set(g, channels[static_cast<size_t>(i)], byte(lane, j, i) & 15);
            set(g + 8, channels[static_cast<size_t>(i)], byte(lane, j, i) >> 4);
          }
        } else if (bits_ == 8) {
          for (int i = 0; i < 4; ++i) set(g, channels[static_cast<size_t>(i)], byte(lane, 2 * j, i));
          for (int i = 0; i < 4; ++i) set(g + 8, channels[static_cast<size_t>(i)], byte(lane, 2 * j + 1, i));
        } else {
          pair(lane, 4 * j, {g, c}, {g, c + 1});
          pair(lane, 4 * j + 1, {g + 8, c}, {g + 8, c + 1});
          pair(lane, 4 * j + 2, {g, c + 2}, {g, c + 3});
          pair(lane, 4 * j + 3, {g + 8, c + 2}, {g + 8, c + 3});
        }
      }
    }
  }

  void read_values() {
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      const std::array<int, 4> tokens{2 * t, 2 * t + 8, 2 * t + 1, 2 * t + 9};
      for (int j = 0; j < head_dim_ / 16; ++j) {
        const int d = head_dim_ / 8 * g + 2 * j;
        if (bits_ == 4) {
          for (int i = 0; i < 4; ++i) {
            set(tokens[static_cast<size_t>(i)], d, byte(lane, j, i) & 15);
            set(tokens[static_cast<size_t>(i)], d + 1, byte(lane, j, i) >> 4);
          }
        } else if (bits_ == 8) {
          for (int i = 0; i < 4; ++i) set(tokens[static_cast<size_t>(i)], d, byte(lane, 2 * j, i));
          for (int i = 0; i < 4; ++i) set(tokens[static_cast<size_t>(i)], d + 1, byte(lane, 2 * j + 1, i));
        } else {
          pair(lane, 4 * j, {2 * t, d}, {2 * t + 1, d});
          pair(lane, 4 * j + 1, {2 * t, d + 1}, {2 * t + 1, d + 1});
          pair(lane, 4 * j + 2, {2 * t + 8, d}, {2 * t + 9, d});
          pair(lane, 4 * j + 3, {2 * t + 8, d + 1}, {2 * t + 9, d + 1});
        }
      }
    }
  }

  std::vector<std::vector<int>> codes;  ///< [16 tokens][Dh]

 private:
  struct At {
    int token, channel;
  };
  void set(int token, int channel, int code) {
    int& place = codes[static_cast<size_t>(token)][static_cast<size_t>(channel)];
    EXPECT_EQ(place, -1) << "token " << token << " channel " << channel << " is there twice";
    place = code;
  }
  int byte(int lane, int word, int i) const {
    return load<uint8_t>(bytes_, static_cast<size_t>(word / 4 * 512 + lane * 16 + word % 4 * 4 + i));
  }
  void pair(int lane, int word, At low, At high) {
    set(low.token, low.channel, byte(lane, word, 0) | byte(lane, word, 1) << 8);
    set(high.token, high.channel, byte(lane, word, 2) | byte(lane, word, 3) << 8);
  }

  std::span<const std::byte> bytes_;
  int head_dim_, bits_;
};

TEST(KvPage, FragmentBytesLaneByLane) {
  for_every_shape([](const KvShape& shape) {
    const std::vector<std::byte> page = random_page(shape, 9);
    const size_t unit_bytes = 16 * shape.row_bytes();
    const size_t codes_bytes = static_cast<size_t>(shape.page) * shape.row_bytes();
    for (const KvSide side : sides) {
      for (int i = 0; i < shape.kv_heads * shape.page; i += 16) {
        const int head = i / shape.page, first = i % shape.page;
        const size_t start = static_cast<size_t>(head) * shape.head_bytes();
        const size_t at = start + static_cast<size_t>(first / 16) * unit_bytes;
        Unit unit{std::span(page).subspan(at, unit_bytes), shape.head_dim, shape.bits};
        side == KvSide::Key ? unit.read_keys() : unit.read_values();
        for (int token = 0; token < 16; ++token) {
          const KvRow row = read_kv_row(page, shape, KvLayout::Fragment, side, head, first + token);
          const std::vector<int>& codes = unit.codes[static_cast<size_t>(token)];
          ASSERT_EQ(std::vector<int>(row.codes.begin(), row.codes.end()), codes) << "token " << token;
          if (shape.bits == 16) continue;
          const size_t parameters = start + codes_bytes + static_cast<size_t>(first + token) * 4;
          ASSERT_EQ(row.scale, load<uint16_t>(page, parameters));
          ASSERT_EQ(row.zero, load<uint16_t>(page, parameters + 2));
        }
      }
    }
  });
}

}  // namespace
}  // namespace qoq::test
