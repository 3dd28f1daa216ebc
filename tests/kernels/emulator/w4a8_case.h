// Random operands of the small W4A8 kernel, and the product computed naively.
#pragma once
#include <random>
#include <vector>

#include "tests/kernels/emulator/w4a8_kernel.cuh"

namespace qoq::tests {

struct W4a8Case {
  W4a8Case(u32 of_tiles, unsigned seed)
      : tiles(of_tiles), w(size_t{tiles} * w_bytes), x(size_t{tiles} * x_bytes), out(64 * w4a8_tokens) {
    std::mt19937 random(seed);
    for (u8& byte : w) byte = static_cast<u8>(random());
    for (u8& byte : x) byte = static_cast<u8>(random());
  }

  /// PTX's A of m64nNk32: rows 16 a warp; register j of lane has row lane / 4, + 8 where j is odd, and the k of
  /// 4 · (lane % 4), + 16 where j ≥ 2.
  int weight(u32 row, u32 k) const {
    const u32 lane = row % 8 * 4 + k % 16 / 4;
    const u32 word = row % 16 / 8 + k % 32 / 16 * 2;
    const u8 pair = w[size_t{k / 64} * w_bytes + (row / 16 * 32 + lane) * 16 + word * 4 + k % 4];
    return (k % 64 < 32 ? pair & 15 : pair >> 4) * 3 - 20;
  }
  int activation(u32 token, u32 k) const {
    return static_cast<i8>(x[size_t{k / 64} * x_bytes + (k % 64 / 16 * w4a8_tokens + token) * 16 + k % 16]);
  }
  std::vector<i32> reference() const {
    std::vector<i32> sums(64 * w4a8_tokens);
    for (u32 row = 0; row < 64; ++row) {
      for (u32 token = 0; token < w4a8_tokens; ++token) {
        for (u32 k = 0; k < tiles * 64; ++k) sums[row * w4a8_tokens + token] += weight(row, k) * activation(token, k);
      }
    }
    return sums;
  }

  u32 tiles;
  std::vector<u8> w, x;
  std::vector<i32> out;
};

}  // namespace qoq::tests
