#pragma once
#include <string>
#include <string_view>

namespace qoq::report {

/// How numbers look everywhere in a report. Times have two decimals in µs, so that columns align at the point.
std::string time_text(double time_us);
std::string percent_text(double fraction);                 ///< 0.634 → "63.4 %"
std::string signed_percent_text(double fraction);          ///< 0.018 → "+1.8 %"
std::string ratio_text(double ratio);                      ///< 1.337 → "1.34×"
std::string count_text(int64_t count);                     ///< 12345 → "12,345"
std::string plural(int64_t count, std::string_view noun);  ///< "1 row", "2 rows"
/// A rate given in 10^12 a second or in GB/s, with three digits.
std::string rate_text(double value, std::string_view unit);

/// "2026-11-23T09:35:52.211Z" → "2026-11-23 09:35 UTC"; other texts stay as they are.
std::string moment_text(std::string_view utc);

/// Every number becomes "#": texts that differ in numbers only become equal.
std::string without_numbers(std::string_view text);

/// A key under which "m=8" sorts before "m=64".
std::string natural_key(std::string_view text);

/// What of a variant's id differs from another's: ("mma.bm64.st4", "mma.bm32.st4") → "bm64". The whole id when their
/// parts do not correspond.
std::string difference(std::string_view variant, std::string_view from);

/// A sentence's beginning, cut at a word with "…" when it is longer than `limit` bytes; never inside a character.
std::string shorten(std::string_view text, size_t limit);

}  // namespace qoq::report
