#include "kernels/qoq/layout.h"

#include <algorithm>
#include <cstring>

#include "kernels/base/error.h"

namespace qoq {

namespace {

constexpr int group_size = 128;

constexpr size_t block_side = 32, block_bytes = 512;

uint32_t load_word(const uint8_t* from) {
  uint32_t word;
  std::memcpy(&word, from, 4);
  return word;
}

void store_word(uint8_t* to, uint32_t word) { std::memcpy(to, &word, 4); }

/// Calls visit(place, low, high) for each of a block's 128 words in the order of places: the word's bytes hold four
/// consecutive weights of column low/k in their low nibbles and of column high/k in their high ones. low and high count
/// from the block's first weight.
template <class Visit>
void visit_block(size_t k, const Visit& visit) {
  size_t place = 0;
  for (size_t column = 0; column < 8; ++column) {
    for (size_t row = 0; row < 16; row += 4) {
      // Words of a lane: k-half outside, column-half inside.
      for (size_t half = 0; half < 32; half += 16) {
        for (size_t eight = 0; eight < 16; eight += 8) {
          visit(place, (column + eight) * k + row + half, (column + eight + 16) * k + row + half);
          place += 4;
        }
      }
    }
  }
}

/// Calls visit(first weight, first packed byte) for each block.
template <class Visit>
void visit_blocks(size_t n, size_t k, const Visit& visit) {
  for (size_t column = 0; column < n; column += block_side) {
    for (size_t row = 0; row < k; row += block_side) {
      visit(column * k + row, (column / block_side * (k / block_side) + row / block_side) * block_bytes);
    }
  }
}

[[noreturn]] void refuse_code(std::span<const uint8_t> q4, size_t k) {
  const size_t at =
      static_cast<size_t>(std::find_if(q4.begin(), q4.end(), [](uint8_t q) { return q > 15; }) - q4.begin());
  bad_input("weight n={} k={} is {}, a 4-bit code is 0 to 15", at / k, at % k, q4[at]);
}

void check_shape(size_t count, size_t expected, int n, int k) {
  if (n <= 0 || k <= 0 || n % 32 != 0 || k % 32 != 0) {
    bad_input("packed weights are blocks of 32 by 32: n={} k={} is not a multiple of it", n, k);
  }
  if (count != expected) bad_input("weights of n={} k={} take {} bytes, but there are {}", n, k, expected, count);
}

int metadata_place(int column) { return column / 32 * 32 + column % 8 * 4 + column % 32 / 8; }

size_t groups_of(size_t count, int n) {
  if (n <= 0 || n % 32 != 0 || count % static_cast<size_t>(n) != 0) {
    bad_input("group metadata comes in rows of n={} columns, a multiple of 32; {} values are not", n, count);
  }
  return count / static_cast<size_t>(n);
}

}  // namespace

std::vector<uint8_t> pack_qserve_weights(std::span<const uint8_t> q4, int n, int k) {
  const size_t columns = static_cast<size_t>(n), rows = static_cast<size_t>(k);
  check_shape(q4.size(), columns * rows, n, k);
  std::vector<uint8_t> packed(q4.size() / 2);
  uint32_t seen = 0;
  visit_blocks(columns, rows, [&](size_t weight, size_t byte) {
    visit_block(rows, [&, from = q4.data() + weight, to = packed.data() + byte](size_t at, size_t low, size_t high) {
      const uint32_t lower = load_word(from + low), upper = load_word(from + high);
      seen |= lower | upper;
      store_word(to + at, lower | upper << 4);
    });
  });
  if ((seen & 0xf0f0f0f0u) != 0) refuse_code(q4, rows);
  return packed;
}

std::vector<uint8_t> unpack_qserve_weights(std::span<const uint8_t> packed, int n, int k) {
  const size_t columns = static_cast<size_t>(n), rows = static_cast<size_t>(k);
  check_shape(packed.size(), columns * rows / 2, n, k);
  std::vector<uint8_t> q4(columns * rows);
  visit_blocks(columns, rows, [&](size_t weight, size_t byte) {
    visit_block(rows, [&, from = packed.data() + byte, to = q4.data() + weight](size_t at, size_t low, size_t high) {
      const uint32_t word = load_word(from + at);
      store_word(to + low, word & 0x0f0f0f0fu);
      store_word(to + high, word >> 4 & 0x0f0f0f0fu);
    });
  });
  return q4;
}

std::vector<int8_t> pack_qserve_metadata(std::span<const int8_t> values, int n) {
  std::vector<int8_t> packed(values.size());
  for (size_t group = 0; group < groups_of(values.size(), n); ++group) {
    const size_t row = group * static_cast<size_t>(n);
    for (int c = 0; c < n; ++c)
      packed[row + static_cast<size_t>(metadata_place(c))] = values[row + static_cast<size_t>(c)];
  }
  return packed;
}

std::vector<int8_t> unpack_qserve_metadata(std::span<const int8_t> packed, int n) {
  std::vector<int8_t> values(packed.size());
  for (size_t group = 0; group < groups_of(packed.size(), n); ++group) {
    const size_t row = group * static_cast<size_t>(n);
    for (int c = 0; c < n; ++c)
      values[row + static_cast<size_t>(c)] = packed[row + static_cast<size_t>(metadata_place(c))];
  }
  return values;
}

std::vector<uint8_t> pack_fragment_metadata(const GroupMetadata& metadata, int n) {
  std::vector<uint8_t> packed(metadata.scale.size() * 2);
  for (size_t group = 0; group < groups_of(metadata.scale.size(), n); ++group) {
    for (int c = 0; c < n; ++c) {
      const size_t from = group * static_cast<size_t>(n) + static_cast<size_t>(c);
      const size_t to = group * static_cast<size_t>(n) * 2 + static_cast<size_t>(c / 32 * 64 + c % 8 * 8 + c % 32 / 8);
      packed[to] = static_cast<uint8_t>(metadata.scale[from]);
      packed[to + 4] = static_cast<uint8_t>(metadata.offset[from] + 128);
    }
  }
  return packed;
}

GroupMetadata unpack_fragment_metadata(std::span<const uint8_t> packed, int n) {
  GroupMetadata metadata{std::vector<int8_t>(packed.size() / 2), std::vector<int8_t>(packed.size() / 2)};
  for (size_t group = 0; group < groups_of(packed.size() / 2, n); ++group) {
    for (int c = 0; c < n; ++c) {
      const size_t to = group * static_cast<size_t>(n) + static_cast<size_t>(c);
      const size_t from =
          group * static_cast<size_t>(n) * 2 + static_cast<size_t>(c / 32 * 64 + c % 8 * 8 + c % 32 / 8);
      metadata.scale[to] = static_cast<int8_t>(packed[from]);
      metadata.offset[to] = static_cast<int8_t>(packed[from + 4] - 128);
    }
  }
  return metadata;
}

std::optional<std::string> outside_imad_range(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n,
                                              int k) {
  for (int column = 0; column < n; ++column) {
    for (int row = 0; row < k; ++row) {
      const size_t group = static_cast<size_t>(row / group_size) * static_cast<size_t>(n) + static_cast<size_t>(column);
      const int q = q4[static_cast<size_t>(column) * static_cast<size_t>(k) + static_cast<size_t>(row)];
      const int scale = metadata.scale[group], offset = metadata.offset[group];
      const int w = q * scale + offset;
      if (scale < 0 || w < -128 || w > 127) {
        return fmt::format(
            "weight n={} k={} is {}·{} + {} = {}, outside int8: only QServe's wrapping addition (vadd4) computes it",
            column, row, q, scale, offset, w);
      }
    }
  }
  return std::nullopt;
}

std::optional<std::string> outside_vadd4_range(const GroupMetadata& metadata, int n) {
  for (size_t i = 0; i < metadata.scale.size(); ++i) {
    if (metadata.scale[i] < 0 || metadata.scale[i] > 17) {
      return fmt::format("group {} of column {} has scale {}: 15·scale must fit a byte, so 0 to 17",
                         i / static_cast<size_t>(n), i % static_cast<size_t>(n), metadata.scale[i]);
    }
  }
  return std::nullopt;
}

std::vector<int8_t> reconstruct_int8(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n, int k,
                                     int group_weights) {
  const size_t groups = static_cast<size_t>(k / group_weights);
  if (q4.size() != static_cast<size_t>(n) * static_cast<size_t>(k) || k % group_weights != 0 ||
      metadata.scale.size() != groups * static_cast<size_t>(n)) {
    bad_input("{} weights and {} groups are not n={} k={} in groups of {}", q4.size(), metadata.scale.size(), n, k,
              group_weights);
  }
  std::vector<int8_t> w8(q4.size());
  for (size_t column = 0; column < static_cast<size_t>(n); ++column) {
    for (size_t row = 0; row < static_cast<size_t>(k); ++row) {
      const size_t group = row / static_cast<size_t>(group_weights) * static_cast<size_t>(n) + column;
      const size_t at = column * static_cast<size_t>(k) + row;
      w8[at] = static_cast<int8_t>(q4[at] * metadata.scale[group] + metadata.offset[group]);
    }
  }
  return w8;
}

}  // namespace qoq
