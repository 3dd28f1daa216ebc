#include "autotune/measure/modes.h"

#include <array>
#include <string>

#include "kernels/base/error.h"

namespace qoq::measure {

namespace {

constexpr std::array<std::string_view, 3> cache_words = {"weights-cold", "cold", "hot"};
constexpr std::array<std::string_view, 2> launch_words = {"eager", "graph"};

template <class Words>
size_t place_of(const Words& words, std::string_view text, std::string_view what) {
  std::string known;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == text) return i;
    known += (known.empty() ? "" : ", ") + std::string(words[i]);
  }
  bad_input("\"{}\" is no {} mode; there are: {}", text, what, known);
}

}  // namespace

std::string_view to_text(Cache cache) { return cache_words[static_cast<size_t>(cache)]; }
std::string_view to_text(LaunchMode launch) { return launch_words[static_cast<size_t>(launch)]; }
Cache cache_from_text(std::string_view text) { return static_cast<Cache>(place_of(cache_words, text, "cache")); }
LaunchMode launch_from_text(std::string_view text) {
  return static_cast<LaunchMode>(place_of(launch_words, text, "launch"));
}

}  // namespace qoq::measure
