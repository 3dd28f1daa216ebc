#include "kernels/gemm/case.h"

#include <cmath>
#include <numeric>

#include "kernels/base/float16.h"
#include "kernels/base/random.h"

namespace qoq::gemm {

namespace {

std::vector<uint16_t> halves(Random& random, size_t count, float low, float high) {
  std::vector<uint16_t> values(count);
  for (uint16_t& value : values) value = float_to_half(random.uniform(low, high));
  return values;
}

/// Scales 1 … 16 and zeros such that (q − z)·s stays within int8, its ends included; or beyond it with `wrap`.
GroupMetadata draw_metadata(Random& random, const GemmProblem& p, bool wrap) {
  GroupMetadata metadata;
  const size_t count = static_cast<size_t>(p.groups()) * static_cast<size_t>(p.n);
  for (size_t i = 0; i < count; ++i) {
    const int scale = random.between(1, 16);
    int least_zero = 0, most_zero = 15;
    if (!wrap) {
      while ((15 - least_zero) * scale > 127) ++least_zero;
      while (most_zero * scale > 128) --most_zero;
    }
    metadata.scale.push_back(static_cast<int8_t>(scale));
    metadata.offset.push_back(static_cast<int8_t>(-random.between(least_zero, most_zero) * scale));
  }
  return metadata;
}

uint8_t low_nibble(uint8_t byte) { return byte & 15; }

void draw_bias(Random& random, GemmCase& c) {
  const float bias = random.uniform(-1.0f, 1.0f);
  c.bias.push_back(c.problem.output == Output::BF16 ? float_to_bfloat16(bias) : float_to_half(bias));
}

/// Sums of K products of uniform activations below 1 and codes up to 15 from their zero.
void draw_w4a16(Random& random, GemmCase& c) {
  const GemmProblem& p = c.problem;
  const size_t m = static_cast<size_t>(p.m), n = static_cast<size_t>(p.n), k = static_cast<size_t>(p.k);
  const size_t metadata = n * static_cast<size_t>(p.groups());
  const float unit = 1.0f / (std::sqrt(static_cast<float>(p.k)) * 0.58f * 6.5f);
  c.a16 = halves(random, m * k, -1.0f, 1.0f);
  c.q4 = random.bytes<uint8_t>(n * k, low_nibble);
  c.group_scale = halves(random, metadata, 0.5f * unit, 1.5f * unit);
  c.group_zero = random.bytes<uint8_t>(metadata, low_nibble);
  c.w16.resize(n * k);
  for (size_t i = 0; i < n * k; ++i) {
    const size_t at = i % k / group_size * n + i / k;
    c.w16[i] = float_to_half(static_cast<float>(c.q4[i] - c.group_zero[at]) * half_to_float(c.group_scale[at]));
  }
}

void draw_w4a4(Random& random, GemmCase& c) {
  const GemmProblem& p = c.problem;
  const size_t m = static_cast<size_t>(p.m), n = static_cast<size_t>(p.n), k = static_cast<size_t>(p.k);
  const size_t groups = static_cast<size_t>(p.groups());
  const auto signed_nibble = [](uint8_t byte) { return static_cast<int8_t>((byte & 15) - 8); };
  const float unit = 1.0f / (std::sqrt(static_cast<float>(p.k)) * 21.5f);
  c.a = random.bytes<int8_t>(m * k, signed_nibble);
  c.w = random.bytes<int8_t>(n * k, signed_nibble);
  c.group_scale = halves(random, groups * n, 0.5f, 1.5f);
  c.token_group_scale = halves(random, groups * m, 0.5f * unit, 1.5f * unit);
}

/// The schemes with int8 activations and one scale a token.
void draw_int8(Random& random, GemmCase& c, bool wrap) {
  const GemmProblem& p = c.problem;
  const size_t m = static_cast<size_t>(p.m), n = static_cast<size_t>(p.n), k = static_cast<size_t>(p.k);
  const auto signed_byte = [](uint8_t byte) {
    return static_cast<int8_t>(byte == 128 ? 127 : byte);
  };  // symmetric: no −128
  c.a = random.bytes<int8_t>(m * k, signed_byte);
  if (p.scheme == Scheme::W8A8) {
    c.w = random.bytes<int8_t>(n * k, signed_byte);
  } else {
    c.q4 = random.bytes<uint8_t>(n * k, low_nibble);
  }
  if (p.scheme == Scheme::W4A8Group) {
    c.metadata = draw_metadata(random, p, wrap);
    c.w = reconstruct_int8(c.q4, c.metadata, p.n, p.k);
  }
  if (p.scheme == Scheme::W4A8Channel) c.w.assign(c.q4.begin(), c.q4.end());

  // |acc| grows like √k · 73 · (the weights' spread): scale it to order 1.
  const float spread = p.scheme == Scheme::W4A8Channel ? 9.0f : 73.0f;
  const float unit = 1.0f / (std::sqrt(static_cast<float>(p.k)) * 73.0f * spread);
  c.s1 = halves(random, n, 0.5f, 1.5f);
  c.sx = halves(random, m, 0.5f * unit, 1.5f * unit);
  for (size_t i = 0; i < n; ++i) {
    c.szero.push_back(float_to_half(half_to_float(c.s1[i]) * static_cast<float>(random.between(0, 15))));
    draw_bias(random, c);
  }
  for (size_t row = 0; row < m; ++row) {
    const auto first = c.a.begin() + static_cast<std::ptrdiff_t>(row * k);
    const int32_t sum = std::accumulate(first, first + static_cast<std::ptrdiff_t>(k), int32_t{0});
    c.quantised_sum.push_back(sum);
    // Near Σ qx·sx, as rounding leaves it.
    c.token_sum.push_back(static_cast<float>(sum) * half_to_float(c.sx[row]) * random.uniform(0.999f, 1.001f));
  }
}

}  // namespace

GemmCase make_gemm_case(const GemmProblem& p, uint64_t seed, bool wrap) {
  Random random(seed);
  GemmCase c;
  c.problem = p;
  if (p.scheme != Scheme::W4A16Group && p.scheme != Scheme::W4A4Group) {
    draw_int8(random, c, wrap);
    return c;
  }
  if (p.scheme == Scheme::W4A16Group) draw_w4a16(random, c);
  if (p.scheme == Scheme::W4A4Group) draw_w4a4(random, c);
  for (int column = 0; column < p.n; ++column) draw_bias(random, c);
  return c;
}

}  // namespace qoq::gemm
