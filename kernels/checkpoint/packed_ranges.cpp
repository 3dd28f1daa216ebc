#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/checkpoint/packed_content.h"

namespace qoq {

namespace {

constexpr int most_code = 15, widest_scale = 16;
constexpr uint16_t half_infinity = 0x7c00;

struct Sizes {
  size_t n, k;
};

void check_count(const std::string& place, const char* what, size_t count, size_t expected) {
  if (count != expected) bad_input("{}: has {} {}, its shape takes {}", place, count, what, expected);
}

void check_codes(const std::string& place, std::span<const uint8_t> q4, Sizes sizes) {
  check_count(place, "codes", q4.size(), sizes.n * sizes.k);
  const auto most = std::max_element(q4.begin(), q4.end());
  if (*most > most_code) {
    const auto at = static_cast<size_t>(most - q4.begin());
    bad_input("{}: weight n={} k={} is {}, a 4-bit code is 0 to 15", place, at / sizes.k, at % sizes.k, *most);
  }
}

/// A row's scales must be positive numbers of fp16.
void check_row_scales(const std::string& place, std::span<const uint16_t> s1, Sizes sizes) {
  check_count(place, "row scales", s1.size(), sizes.n);
  for (size_t row = 0; row < sizes.n; ++row) {
    if (s1[row] == 0 || s1[row] >= half_infinity) {
      bad_input("{}: row n={} has the scale {}, a scale is positive and finite", place, row, half_to_float(s1[row]));
    }
  }
}

/// z of one group from its offset −z·s2; (q − z)·s2 must stay in int8 for the group's largest code. The least is safe:
/// −z·s2 is in int8 itself.
void check_group(const std::string& place, const GroupWeights& weights, Sizes sizes, size_t row, size_t group) {
  const size_t at = group * sizes.n + row;
  const int8_t scale = weights.metadata.scale[at];
  const int8_t offset = weights.metadata.offset[at];
  if (scale < 1 || scale > widest_scale) {
    bad_input("{}: group {} of row n={} has the scale {}, which is 1 to 16", place, group, row, scale);
  }
  if (offset > 0 || -offset % scale != 0 || -offset / scale > most_code) {
    bad_input("{}: group {} of row n={} has the offset {}, which is −z·{} for a z of 0 to 15", place, group, row,
              offset, scale);
  }
  const size_t size = static_cast<size_t>(weights.group);
  const uint8_t* codes = weights.q4.data() + row * sizes.k + group * size;
  uint8_t most = 0;
  for (size_t i = 0; i < size; ++i) most = std::max(most, codes[i]);
  if (most * scale + offset > 127) {
    bad_input("{}: group {} of row n={} has a weight of ({} − {})·{} = {}, which leaves int8", place, group, row, most,
              -offset / scale, scale, most * scale + offset);
  }
}

void check_form(const std::string& place, const GroupWeights& weights, Sizes sizes, int group) {
  if (group != weights.group) {
    bad_input("{}: is quantised in groups of {}, the file's scheme has {}", place, weights.group,
              group == 0 ? "a scale a channel" : fmt::format("groups of {}", group));
  }
  check_codes(place, weights.q4, sizes);
  check_row_scales(place, weights.s1, sizes);
  const size_t groups = sizes.k / static_cast<size_t>(group);
  check_count(place, "group scales", weights.metadata.scale.size(), groups * sizes.n);
  check_count(place, "group offsets", weights.metadata.offset.size(), groups * sizes.n);
  for (size_t row = 0; row < sizes.n; ++row) {
    for (size_t each = 0; each < groups; ++each) check_group(place, weights, sizes, row, each);
  }
}

void check_form(const std::string& place, const ChannelWeights& weights, Sizes sizes, int group) {
  if (group != 0) bad_input("{}: has a scale a channel, the file's scheme has groups of {}", place, group);
  check_codes(place, weights.q4, sizes);
  check_row_scales(place, weights.s1, sizes);
  check_count(place, "zero points", weights.zero.size(), sizes.n);
  check_count(place, "scaled zero points", weights.szero.size(), sizes.n);
  for (size_t row = 0; row < sizes.n; ++row) {
    const float s1 = half_to_float(weights.s1[row]), zero = weights.zero[row];
    if (zero > most_code) bad_input("{}: row n={} has the zero point {}, which is 0 to 15", place, row, zero);
    if (weights.szero[row] >= half_infinity || weights.szero[row] != float_to_half(s1 * zero)) {
      bad_input("{}: row n={} has the scaled zero point {}, which is not fp16({}·{})", place, row,
                half_to_float(weights.szero[row]), zero, s1);
    }
  }
}

}  // namespace

void check_weights(const std::string& place, const PackedFormat& format, const LinearWeights& weights) {
  const int group = format.group();
  check_linear_shape(place, format, static_cast<uint64_t>(std::max(0, weights.n)),
                     static_cast<uint64_t>(std::max(0, weights.k)));
  const Sizes sizes{static_cast<size_t>(weights.n), static_cast<size_t>(weights.k)};
  std::visit([&](const auto& form) { check_form(place, form, sizes, group); }, weights.form);
}

}  // namespace qoq
