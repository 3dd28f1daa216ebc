// Which sheet an attached GPU has, by the name that its driver gives it.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <utility>

#include "roofline/gpu/gpu.h"

namespace qoq::roofline {
namespace {

/// "NVIDIA A100-SXM4-80GB" → nvidia, a100, sxm4, 80gb.
std::vector<std::string> words_of(std::string_view product) {
  std::vector<std::string> words{""};
  for (const char c : product) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      words.back() += static_cast<char>(std::tolower(byte));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// Whether a word, or two words that follow each other ("RTX 4090"), are the model.
bool names(const std::vector<std::string>& words, const std::string& model) {
  if (has(words, model)) return true;
  return std::ranges::adjacent_find(
             words, [&](const std::string& a, const std::string& b) { return a + b == model; }) != words.end();
}

/// Other chips or bandwidths that go by a sheet's name with one word more.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> other_products{{{"h100", "pcie"},
                                                                                       {"h100", "nvl"},
                                                                                       {"rtx4090", "laptop"},
                                                                                       {"rtx4090", "d"},
                                                                                       {"rtx5090", "laptop"},
                                                                                       {"rtx5090", "d"}}};

/// Whether "40", a variant's memory in GB, is what the name says or, where it says none, what the driver reports.
bool memory_fits(const std::vector<std::string>& words, const std::string& gigabytes, int64_t memory_bytes) {
  constexpr double gib = 1073741824, kept_back = 0.1;  // some of it is the driver's
  const bool says = std::ranges::any_of(words, [](const std::string& word) {
    return word.size() > 2 && word.ends_with("gb") && std::isdigit(static_cast<unsigned char>(word.front())) != 0;
  });
  if (says) return has(words, gigabytes + "gb");
  const double size = std::stod(gigabytes);
  return std::abs(static_cast<double>(memory_bytes) / gib - size) <= kept_back * size;
}

}  // namespace

std::optional<Gpu> sheet_of(std::string_view product, std::string_view architecture, int64_t memory_bytes) {
  const std::vector<std::string> words = words_of(product);
  std::optional<Gpu> found;
  for (auto& [id, gpu] : embedded_gpus()) {
    const size_t dash = id.find('-');
    const std::string model = id.substr(0, dash);
    if (gpu.device.architecture() != architecture || !names(words, model)) continue;
    if (std::ranges::any_of(other_products,
                            [&](const auto& other) { return other.first == model && has(words, other.second); }))
      continue;
    if (dash != std::string::npos && !memory_fits(words, id.substr(dash + 1), memory_bytes)) continue;
    if (found) return std::nullopt;
    found = gpu;
  }
  return found;
}

}  // namespace qoq::roofline
