#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace qoq::gemm {

/// How the schemes that QServe is compared with lie in memory. N is a multiple of 32, K of 128; all values are in
/// range: the packers do not check.

/// W4A16: codes q4 [N][K] as N/32 × K/32 blocks of 512 bytes. Nibble 4e + j of word 2·step + h of lane l's 16 bytes is
/// the code of column 8j + l/4 and row 16·step + 8h + 2·(l % 4) + e.
std::vector<uint8_t> pack_half_weights(std::span<const uint8_t> q4, int n, int k);
/// W4A16: fp16 scales and whole zeros 0 … 15 [K/128][N] as, for each group and 32 columns, eight rows r of eight
/// halves: the scales of columns r, r+8, r+16, r+24, then their zeros, 1024 + z, 64 + z, 1024 + z, 64 + z.
std::vector<uint8_t> pack_half_metadata(std::span<const uint16_t> scale, std::span<const uint8_t> zero, int n);

/// W4A4: weights −8 … 7 [N][K] as N/32 × K/64 blocks of 1024 bytes. Nibble e of word 2i + h of lane l's 16 bytes in
/// half p is that of column 16p + 8i + l/4 and row 32h + 8·(l % 4) + e.
std::vector<uint8_t> pack_int4_weights(std::span<const int8_t> w, int n, int k);
/// W4A4: activations −8 … 7 [M][K], two a byte, the even column low.
std::vector<uint8_t> pack_int4_rows(std::span<const int8_t> a);
/// W4A4: fp16 scales [K/128][N]; inside each 32 columns, column 8j + 2t + e stands at 8t + 2j + e.
std::vector<uint16_t> pack_column_scales(std::span<const uint16_t> scale, int n);
/// W4A4: fp16 scales [K/128][M] as [K/128][⌈M/16⌉·16]; inside each 16 rows, row r stands at 2·(r % 8) + r / 8. Rows
/// that there are not have scale 0.
std::vector<uint16_t> pack_token_scales(std::span<const uint16_t> scale, int m);

}  // namespace qoq::gemm
