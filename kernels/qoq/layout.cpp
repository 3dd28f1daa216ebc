#include "kernels/qoq/layout.h"

#include "kernels/base/error.h"

namespace qoq {

namespace {

constexpr int group_size = 128;

struct Place {
  size_t byte;
  bool high;
};

/// Where the weight (column n, row k) lies.
Place packed_place(int n, int k, int row_count) {
  const size_t block = static_cast<size_t>(n / 32) * static_cast<size_t>(row_count / 32) + static_cast<size_t>(k / 32);
  const int lane = n % 8 * 4 + k % 16 / 4;
  const int byte = k % 32 / 16 * 8 + n % 16 / 8 * 4 + k % 4;
  return {block * 512 + static_cast<size_t>(lane * 16 + byte), n % 32 >= 16};
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
  const size_t count = static_cast<size_t>(n) * static_cast<size_t>(k);
  check_shape(q4.size(), count, n, k);
  std::vector<uint8_t> packed(count / 2);
  for (int column = 0; column < n; ++column) {
    for (int row = 0; row < k; ++row) {
      const uint8_t q = q4[static_cast<size_t>(column) * static_cast<size_t>(k) + static_cast<size_t>(row)];
      if (q > 15) bad_input("weight n={} k={} is {}, a 4-bit code is 0 to 15", column, row, q);
      const Place at = packed_place(column, row, k);
      packed[at.byte] = static_cast<uint8_t>(packed[at.byte] | (at.high ? q << 4 : q));
    }
  }
  return packed;
}

std::vector<uint8_t> unpack_qserve_weights(std::span<const uint8_t> packed, int n, int k) {
  const size_t count = static_cast<size_t>(n) * static_cast<size_t>(k);
  check_shape(packed.size(), count / 2, n, k);
  std::vector<uint8_t> q4(count);
  for (int column = 0; column < n; ++column) {
    for (int row = 0; row < k; ++row) {
      const Place at = packed_place(column, row, k);
      q4[static_cast<size_t>(column) * static_cast<size_t>(k) + static_cast<size_t>(row)] =
          static_cast<uint8_t>(at.high ? packed[at.byte] >> 4 : packed[at.byte] & 15);
    }
  }
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

std::vector<int8_t> reconstruct_int8(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n, int k) {
  std::vector<int8_t> w8(q4.size());
  for (size_t column = 0; column < static_cast<size_t>(n); ++column) {
    for (size_t row = 0; row < static_cast<size_t>(k); ++row) {
      const size_t group = row / group_size * static_cast<size_t>(n) + column;
      const size_t at = column * static_cast<size_t>(k) + row;
      w8[at] = static_cast<int8_t>(q4[at] * metadata.scale[group] + metadata.offset[group]);
    }
  }
  return w8;
}

}  // namespace qoq
