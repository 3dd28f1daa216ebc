#include "kernels/gemm/packing.h"

#include <cstddef>

namespace qoq::gemm {

namespace {

void put_nibble(std::vector<uint8_t>& bytes, size_t byte, size_t nibble, int value) {
  uint8_t& at = bytes[byte + nibble / 2];
  at = static_cast<uint8_t>(at | (value & 15) << (nibble % 2 * 4));
}

void put_half(std::vector<uint8_t>& bytes, size_t byte, int bits) {
  bytes[byte] = static_cast<uint8_t>(bits);
  bytes[byte + 1] = static_cast<uint8_t>(bits >> 8);
}

}  // namespace

std::vector<uint8_t> pack_half_weights(std::span<const uint8_t> q4, int n, int k) {
  const size_t columns = static_cast<size_t>(n), rows = static_cast<size_t>(k);
  std::vector<uint8_t> packed(columns * rows / 2);
  for (size_t column = 0; column < columns; ++column) {
    for (size_t row = 0; row < rows; ++row) {
      const size_t block = (column / 32 * (rows / 32) + row / 32) * 512;
      const size_t lane = column % 8 * 4 + row % 8 / 2, word = row % 32 / 8;  // 2·step + h
      put_nibble(packed, block + lane * 16 + word * 4, row % 2 * 4 + column % 32 / 8, q4[column * rows + row]);
    }
  }
  return packed;
}

std::vector<uint8_t> pack_half_metadata(std::span<const uint16_t> scale, std::span<const uint8_t> zero, int n) {
  const size_t columns = static_cast<size_t>(n);
  std::vector<uint8_t> packed(scale.size() * 4);
  for (size_t i = 0; i < scale.size(); ++i) {
    const size_t column = i % columns, j = column % 32 / 8;
    const size_t at = i / columns * columns * 4 + column / 32 * 128 + column % 8 * 16 + j * 2;
    put_half(packed, at, scale[i]);
    put_half(packed, at + 8, j % 2 == 0 ? 0x6400 | zero[i] : 0x5400 | zero[i] << 4);
  }
  return packed;
}

std::vector<uint8_t> pack_int4_weights(std::span<const int8_t> w, int n, int k) {
  const size_t columns = static_cast<size_t>(n), rows = static_cast<size_t>(k);
  std::vector<uint8_t> packed(columns * rows / 2);
  for (size_t column = 0; column < columns; ++column) {
    for (size_t row = 0; row < rows; ++row) {
      const size_t block = (column / 32 * (rows / 64) + row / 64) * 1024 + column % 32 / 16 * 512;
      const size_t lane = column % 8 * 4 + row % 32 / 8, word = column % 16 / 8 * 2 + row % 64 / 32;
      put_nibble(packed, block + lane * 16 + word * 4, row % 8, w[column * rows + row]);
    }
  }
  return packed;
}

std::vector<uint8_t> pack_int4_rows(std::span<const int8_t> a) {
  std::vector<uint8_t> packed(a.size() / 2);
  for (size_t i = 0; i < a.size(); ++i) put_nibble(packed, i / 2, i % 2, a[i]);
  return packed;
}

std::vector<uint16_t> pack_column_scales(std::span<const uint16_t> scale, int n) {
  const size_t columns = static_cast<size_t>(n);
  std::vector<uint16_t> packed(scale.size());
  for (size_t i = 0; i < scale.size(); ++i) {
    const size_t column = i % columns;
    packed[i / columns * columns + column / 32 * 32 + column % 8 / 2 * 8 + column % 32 / 8 * 2 + column % 2] = scale[i];
  }
  return packed;
}

std::vector<uint16_t> pack_token_scales(std::span<const uint16_t> scale, int m) {
  const size_t rows = static_cast<size_t>(m), padded = (rows + 15) / 16 * 16;
  std::vector<uint16_t> packed(scale.size() / rows * padded);
  for (size_t i = 0; i < scale.size(); ++i) {
    const size_t row = i % rows;
    packed[i / rows * padded + row / 16 * 16 + row % 8 * 2 + row % 16 / 8] = scale[i];
  }
  return packed;
}

}  // namespace qoq::gemm
