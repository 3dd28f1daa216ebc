#include "autotune/report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

namespace qoq::report {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::string time_text(double time_us) { return fmt::format("{:.2f}", time_us); }
std::string percent_text(double fraction) { return fmt::format("{:.1f} %", fraction * 100); }
std::string signed_percent_text(double fraction) {
  // Adding 0 turns −0 into 0; the true minus sign is as wide as the plus.
  double percent = std::abs(fraction * 100) < 0.05 ? 0 : fraction * 100;
  return fmt::format("{}{:.1f} %", percent < 0 ? "−" : "+", std::abs(percent));
}
std::string ratio_text(double ratio) { return fmt::format("{:.2f}×", ratio); }

std::string count_text(int64_t count) {
  std::string digits = fmt::format("{}", count);
  for (auto place = static_cast<ptrdiff_t>(digits.size()) - 3; place > (count < 0 ? 1 : 0); place -= 3) {
    digits.insert(static_cast<size_t>(place), 1, ',');
  }
  return digits;
}

std::string plural(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count_text(count), noun, count == 1 ? "" : "s");
}

std::string rate_text(double value, std::string_view unit) {
  if (unit == "GB/s" && value >= 1000) return fmt::format("{:.3g} TB/s", value / 1000);
  if (value >= 1000) return fmt::format("{:.0f} {}", value, unit);
  return fmt::format("{:.3g} {}", value, unit);
}

std::string moment_text(std::string_view utc) {
  if (utc.size() < 16 || utc[10] != 'T' || !utc.ends_with('Z')) return std::string(utc);
  return fmt::format("{} {} UTC", utc.substr(0, 10), utc.substr(11, 5));
}

std::string without_numbers(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!is_digit(text[i])) {
      out += text[i];
      continue;
    }
    // Thousands separators and decimal points belong to the number.
    while (i + 1 < text.size() && (is_digit(text[i + 1]) || ((text[i + 1] == '.' || text[i + 1] == ',') &&
                                                             i + 2 < text.size() && is_digit(text[i + 2])))) {
      ++i;
    }
    out += '#';
  }
  return out;
}

std::string natural_key(std::string_view text) {
  std::string key;
  for (size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      key += text[i++];
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_digit(text[end])) ++end;
    fmt::format_to(std::back_inserter(key), "{:0>20}", text.substr(i, end - i));
    i = end;
  }
  return key;
}

std::string difference(std::string_view variant, std::string_view from) {
  auto parts = split(variant, '.'), other = split(from, '.');
  if (parts.size() != other.size() || parts.front() != other.front()) return std::string(variant);
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == other[i]) continue;
    if (!text.empty()) text += '.';
    text += parts[i];
  }
  return text;
}

std::string shorten(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  size_t end = text.rfind(' ', limit);
  if (end == std::string_view::npos || end < limit / 2) end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return fmt::format("{}…", text.substr(0, end));
}

}  // namespace qoq::report
