#pragma once
#include <string>
#include <string_view>

namespace qoq {

/// Content digest for cache and row keys: XXH3-128 as 32 hexadecimal digits. Not for security.
std::string digest(std::string_view bytes);

}  // namespace qoq
