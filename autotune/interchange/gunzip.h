#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace qoq::interchange {

/// More than any tuning space we know of needs; a few kilobytes of gzip can claim to be terabytes.
inline constexpr size_t kMostUnpackedBytes = size_t{2} << 30;

bool is_gzip(std::string_view bytes);

/// Unpacks a gzip file, of several members too. `file` is its name for messages. Throws Fault::Input when the bytes
/// are no whole gzip file, fail its checksum, or unpack to more than `most_bytes`.
std::string gunzip(std::string_view bytes, const std::string& file, size_t most_bytes = kMostUnpackedBytes);

}  // namespace qoq::interchange
