#include "kernels/qoq/progressive.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"
#include "kernels/qoq/rounding.h"

namespace qoq {

namespace {

constexpr size_t lanes = 8;  // partial sums and extremes: their order is part of the result
constexpr int most_code = 15;
constexpr uint16_t half_infinity = 0x7c00;

struct Range {
  float low = 0, high = 0;
};

/// The least and largest value, 0 among them; a tail shorter than the lanes is taken one by one.
Range range_of(std::span<const float> x) {
  std::array<float, lanes> low{}, high{};
  const size_t whole = x.size() / lanes * lanes;
  for (size_t i = 0; i < whole; i += lanes) {
    for (size_t j = 0; j < lanes; ++j) {
      low[j] = x[i + j] < low[j] ? x[i + j] : low[j];
      high[j] = x[i + j] > high[j] ? x[i + j] : high[j];
    }
  }
  for (const float value : x.subspan(whole)) {
    low[0] = std::min(low[0], value);
    high[0] = std::max(high[0], value);
  }
  return {*std::min_element(low.begin(), low.end()), *std::max_element(high.begin(), high.end())};
}

/// Whether all bits patterns are those of finite numbers. Positive floats compare as integers.
bool all_finite(std::span<const float> x) {
  int32_t largest = 0;
  for (const float value : x) largest = std::max(largest, std::bit_cast<int32_t>(value) & 0x7fffffff);
  return largest < 0x7f800000;
}

void check_sizes(size_t count, int n, int k) {
  if (n <= 0 || k <= 0 || count != static_cast<size_t>(n) * static_cast<size_t>(k)) {
    bad_input("weights of n={} k={} do not fit {} values", n, k, count);
  }
}

std::span<const float> row_of(std::span<const float> w, size_t row, int k) {
  return w.subspan(row * static_cast<size_t>(k), static_cast<size_t>(k));
}

/// The range of each row; throws for the first weight that is not finite. Workers must not throw, so they only note.
std::vector<Range> row_ranges(std::span<const float> w, int n, int k, int threads) {
  std::vector<Range> ranges(static_cast<size_t>(n));
  std::vector<uint8_t> finite(ranges.size());
  run_parallel(ranges.size(), threads, [&](size_t row) {
    finite[row] = all_finite(row_of(w, row, k));
    ranges[row] = range_of(row_of(w, row, k));
  });
  const size_t row = static_cast<size_t>(std::find(finite.begin(), finite.end(), 0) - finite.begin());
  if (row == finite.size()) return ranges;
  const std::span<const float> values = row_of(w, row, k);
  const auto first = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  bad_input("weight n={} k={} is {}: only finite weights can be quantised", row, first - values.begin(), *first);
}

/// s1 of a row whose values span `range` in `steps` codes.
uint16_t row_scale(float range, int steps, size_t row) {
  const uint16_t bits = covering_half(range, steps);
  if (bits >= half_infinity) bad_input("row n={} spans {}: its scale exceeds fp16's 65504", row, range);
  return bits;
}

/// Σ (x − value)² in lanes; a group is a multiple of them.
float squared_error(std::span<const float> x, GroupScale s) {
  std::array<float, lanes> sums{};
  const float scale = static_cast<float>(s.scale);
  for (size_t i = 0; i < x.size(); i += lanes) {
    for (size_t j = 0; j < lanes; ++j) {
      const int code = std::clamp(nearest_integer(x[i + j] / scale), -s.zero, most_code - s.zero);
      const float difference = x[i + j] - static_cast<float>(code) * scale;
      sums[j] += difference * difference;
    }
  }
  float sum = 0;
  for (const float lane : sums) sum += lane;
  return sum;
}

GroupScale least_error_scale(std::span<const float> x, Range range, int low, int high) {
  const GroupScale covering = covering_scale(low, high);
  GroupScale best = nearest_scale(nearest_integer(range.low), nearest_integer(range.high));
  float least = squared_error(x, best);
  const auto consider = [&](GroupScale s) {
    const float error = squared_error(x, s);
    if (error < least) best = s, least = error;
  };
  consider(covering);
  // A range shrunk to 15·s2 keeps its middle: z is the same for all of them.
  const int zero =
      high == low ? 0 : nearest_integer(static_cast<float>(-most_code * low) / static_cast<float>(high - low));
  for (int scale = covering.scale - 1; scale >= std::max(1, covering.scale / 2); --scale) consider({scale, zero});
  return best;
}

GroupScale choose_scale(std::span<const float> x, GroupRule rule) {
  const Range range = range_of(x);
  const int low = static_cast<int>(std::floor(range.low)), high = static_cast<int>(std::ceil(range.high));
  if (rule == GroupRule::Nearest) return nearest_scale(nearest_integer(range.low), nearest_integer(range.high));
  return rule == GroupRule::Covering ? covering_scale(low, high) : least_error_scale(x, range, low, high);
}

void quantize_row(std::span<const float> w, size_t row, GroupRule rule, GroupWeights& out) {
  std::array<float, 128> scaled;
  const size_t group = static_cast<size_t>(out.group), n = out.s1.size();
  const float s1 = half_to_float(out.s1[row]);
  for (size_t first = 0; first < w.size(); first += group) {
    const std::span<float> x(scaled.data(), group);
    for (size_t i = 0; i < group; ++i) x[i] = w[first + i] / s1;
    const GroupScale s = choose_scale(x, rule);
    uint8_t* codes = out.q4.data() + row * w.size() + first;
    const float scale = static_cast<float>(s.scale);
    for (size_t i = 0; i < group; ++i) {
      codes[i] = static_cast<uint8_t>(std::clamp(nearest_integer(x[i] / scale) + s.zero, 0, most_code));
    }
    out.metadata.scale[first / group * n + row] = static_cast<int8_t>(s.scale);
    out.metadata.offset[first / group * n + row] = static_cast<int8_t>(-s.zero * s.scale);
  }
}

struct ChannelScale {
  uint16_t s1 = 1;
  int zero = 0;
};

/// x/s1 can be huge only in clipped ranges, and not beyond what nearest_integer takes: a range shrinks to half at most.
int channel_code(float x, float s1, int zero) { return std::clamp(nearest_integer(x / s1) + zero, 0, most_code); }

double squared_error(std::span<const float> w, ChannelScale s) {
  const float s1 = half_to_float(s.s1), szero = half_to_float(float_to_half(s1 * static_cast<float>(s.zero)));
  double sum = 0;
  for (const float x : w) {
    const double difference = x - (static_cast<float>(channel_code(x, s1, s.zero)) * s1 - szero);
    sum += difference * difference;
  }
  return sum;
}

ChannelScale channel_scale(Range range, uint16_t s1) {
  return {s1, std::clamp(nearest_integer(-range.low / half_to_float(s1)), 0, most_code)};
}

ChannelScale least_error_scale(std::span<const float> w, Range range, ChannelScale best) {
  double least = squared_error(w, best);
  for (int twentieths = 19; twentieths >= 10; --twentieths) {
    const float ratio = static_cast<float>(twentieths) / 20.0f;
    const Range narrow{range.low * ratio, range.high * ratio};
    const ChannelScale s = channel_scale(narrow, covering_half(narrow.high - narrow.low, most_code));
    const double error = squared_error(w, s);
    if (error < least) best = s, least = error;
  }
  return best;
}

}  // namespace

GroupScale nearest_scale(int low, int high) {
  const int scale = std::max(1, (2 * (high - low) + most_code) / (2 * most_code));  // 15 is odd: there are no ties
  return {scale, std::min(most_code, nearest_integer(static_cast<float>(-low) / static_cast<float>(scale)))};
}

GroupScale covering_scale(int low, int high) {
  const int scale = std::max(1, (high - low + most_code - 1) / most_code);
  return {scale, std::min(most_code, nearest_integer(static_cast<float>(-low) / static_cast<float>(scale)))};
}

int group_code(float x, GroupScale s) {
  return std::clamp(nearest_integer(x / static_cast<float>(s.scale)) + s.zero, 0, most_code);
}

GroupWeights quantize_groups(std::span<const float> w, int n, int k, int group, GroupRule rule, int threads) {
  check_sizes(w.size(), n, k);
  if (group != 128 && group != 64 && group != 32) bad_input("groups are of 128, 64 or 32 weights, not of {}", group);
  if (k % group != 0) bad_input("k={} is not a multiple of the group of {}", k, group);
  const std::vector<Range> ranges = row_ranges(w, n, k, threads);
  GroupWeights out;
  out.group = group;
  for (size_t row = 0; row < ranges.size(); ++row) {
    out.s1.push_back(row_scale(std::max(-ranges[row].low, ranges[row].high), protective_range, row));
  }
  out.q4.resize(w.size());
  out.metadata.scale.resize(w.size() / static_cast<size_t>(group));
  out.metadata.offset.resize(out.metadata.scale.size());
  run_parallel(ranges.size(), threads, [&](size_t row) { quantize_row(row_of(w, row, k), row, rule, out); });
  return out;
}

std::vector<float> dequantize(const GroupWeights& weights, int n, int k) {
  const std::vector<int8_t> q8 = reconstruct_int8(weights.q4, weights.metadata, n, k, weights.group);
  std::vector<float> w(q8.size());
  for (size_t i = 0; i < w.size(); ++i) {
    w[i] = static_cast<float>(q8[i]) * half_to_float(weights.s1[i / static_cast<size_t>(k)]);
  }
  return w;
}

ChannelWeights quantize_channels(std::span<const float> w, int n, int k, bool clip, int threads) {
  check_sizes(w.size(), n, k);
  const std::vector<Range> ranges = row_ranges(w, n, k, threads);
  ChannelWeights out;
  for (size_t row = 0; row < ranges.size(); ++row) {
    out.s1.push_back(row_scale(ranges[row].high - ranges[row].low, most_code, row));
    const ChannelScale s = channel_scale(ranges[row], out.s1.back());
    out.zero.push_back(static_cast<uint8_t>(s.zero));
    out.szero.push_back(float_to_half(half_to_float(s.s1) * static_cast<float>(s.zero)));
    if (out.szero.back() >= half_infinity)
      bad_input("row n={} reaches down to {}: z·s1 exceeds fp16's 65504", row, ranges[row].low);
  }
  out.q4.resize(w.size());
  run_parallel(ranges.size(), threads, [&](size_t row) {
    const std::span<const float> x = row_of(w, row, k);
    ChannelScale s{out.s1[row], out.zero[row]};
    if (clip) s = least_error_scale(x, ranges[row], s);
    const float s1 = half_to_float(s.s1);
    uint8_t* codes = out.q4.data() + row * x.size();
    for (size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<uint8_t>(channel_code(x[i], s1, s.zero));
    out.s1[row] = s.s1;
    out.zero[row] = static_cast<uint8_t>(s.zero);
    out.szero[row] = float_to_half(s1 * static_cast<float>(s.zero));
  });
  return out;
}

std::vector<float> dequantize(const ChannelWeights& weights, int n, int k) {
  check_sizes(weights.q4.size(), n, k);
  std::vector<float> w(weights.q4.size());
  for (size_t i = 0; i < w.size(); ++i) {
    const size_t row = i / static_cast<size_t>(k);
    w[i] = static_cast<float>(weights.q4[i]) * half_to_float(weights.s1[row]) - half_to_float(weights.szero[row]);
  }
  return w;
}

}  // namespace qoq
