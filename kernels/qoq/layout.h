#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qoq {

/// Progressive group quantisation's metadata (QServe paper, section 4.1), in natural order [K/128][N]:
/// w8 = (q4·scale + offset) mod 256 as int8, where offset = int8(−z·scale). QServe calls the offsets s2_zeros.
struct GroupMetadata {
  std::vector<int8_t> scale;
  std::vector<int8_t> offset;
  bool operator==(const GroupMetadata&) const = default;
};

/// QServe's packed weights, N/32 × K/32 blocks of 512 bytes: byte b of lane l of a block holds, in its low nibble, the
/// weight of column (b%8/4)·8 + l/4 and row (b/8)·16 + (l%4)·4 + b%4, and in its high nibble that of column + 16.
/// `q4` is [N][K] with values 0 … 15; N and K are multiples of 32. Throws Fault::Input otherwise.
std::vector<uint8_t> pack_qserve_weights(std::span<const uint8_t> q4, int n, int k);
std::vector<uint8_t> unpack_qserve_weights(std::span<const uint8_t> packed, int n, int k);

/// QServe's order of group metadata: inside each 32 columns, column c stands at (c%8)·4 + c/8. `values` is [groups][N].
std::vector<int8_t> pack_qserve_metadata(std::span<const int8_t> values, int n);
std::vector<int8_t> unpack_qserve_metadata(std::span<const int8_t> packed, int n);

/// The `fragment` layout's metadata: per group and 32 columns eight rows r of eight bytes, the scales of columns r,
/// r+8, r+16, r+24 and then their offsets + 128: what a lane of row r needs, in one 8-byte load.
std::vector<uint8_t> pack_fragment_metadata(const GroupMetadata& metadata, int n);
GroupMetadata unpack_fragment_metadata(std::span<const uint8_t> packed, int n);

/// Whether the IMAD forms compute these weights: q4·scale + offset must not leave [−128, 127], because they carry from
/// byte to byte where QServe's byte addition wraps. A sentence that names the first weight which does, or nothing.
std::optional<std::string> outside_imad_range(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n, int k);

/// Whether QServe's byte multiplication computes them: scale in 0 … 17. A sentence naming the first that is not.
std::optional<std::string> outside_vadd4_range(const GroupMetadata& metadata, int n);

/// int8 weights [N][K] that the group kernels multiply; `metadata` is [K/group_weights][N].
std::vector<int8_t> reconstruct_int8(std::span<const uint8_t> q4, const GroupMetadata& metadata, int n, int k,
                                     int group_weights = 128);

}  // namespace qoq
