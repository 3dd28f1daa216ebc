#include "roofline/serving/scheme.h"

#include "kernels/base/error.h"

namespace qoq::roofline {

namespace {

constexpr double group = 128;

constexpr ServingScheme table[] = {
    {"fp16 kv16", "fp16", "kv16", 16, 0, 16, 2, false},
    {"w8a8 kv8", "w8a8", "kv8", 8, 4, 8, 1, false},
    {"w4a16-g128 kv16", "w4a16-g128", "kv16", 4 + 32 / group, 0, 16, 2, false},
    {"w4a16-g128 kv8", "w4a16-g128", "kv8", 4 + 32 / group, 4, 8, 2, false},
    {"w4a8-channel kv4", "w4a8-channel", "kv4", 4, 4, 4, 1, true},
    {"w4a8-g128 kv4", "w4a8-g128", "kv4", 4 + 16 / group, 4, 4, 1, true},
};

}  // namespace

std::span<const ServingScheme> serving_schemes() { return table; }

const ServingScheme& serving_scheme(std::string_view name) {
  std::string known;
  for (const ServingScheme& scheme : table) {
    if (scheme.name == name) return scheme;
    known += (known.empty() ? "\"" : ", \"") + std::string(scheme.name) + "\"";
  }
  bad_input("there is no serving scheme \"{}\"; there are: {}", name, known);
}

}  // namespace qoq::roofline
