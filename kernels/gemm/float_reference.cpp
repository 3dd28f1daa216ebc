#include "kernels/gemm/float_reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/base/float16.h"
#include "kernels/gemm/reference.h"

namespace qoq::gemm {

namespace {

float to_float(Output output, uint16_t bits) {
  return output == Output::F16 ? half_to_float(bits) : bfloat16_to_float(bits);
}

std::vector<float> to_floats(std::span<const uint16_t> halves) {
  std::vector<float> values(halves.size());
  std::ranges::transform(halves, values.begin(), half_to_float);
  return values;
}

/// In fp64; eight sums side by side, so that the compiler takes vectors.
__attribute__((target_clones("avx2", "default"))) double dot_floats(const float* a, const float* w, size_t count) {
  double sums[8] = {};
  for (size_t i = 0; i < count; i += 8) {
    for (size_t e = 0; e < 8; ++e) sums[e] += static_cast<double>(a[i + e]) * static_cast<double>(w[i + e]);
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// One output's fp32 sum over the groups in `order`.
float rescaled_sum(const GemmCase& c, size_t row, size_t column, SumOrder order) {
  const int k = c.problem.k, depth = std::max(order.block_k, group_size), share = depth / order.slices;
  const int trips = (k + depth - 1) / depth, piece = std::min(share, group_size);
  const int8_t* a = c.a.data() + row * static_cast<size_t>(k);
  const int8_t* w = c.w.data() + column * static_cast<size_t>(k);
  float total = 0;
  for (int split = 0; split < order.splits; ++split) {
    float of_split = 0;
    for (int slice = 0; slice < order.slices; ++slice) {
      float sum = 0;
      for (int trip = trips * split / order.splits; trip < trips * (split + 1) / order.splits; ++trip) {
        const int first = trip * depth + slice * share;
        for (int at = first; at < std::min(first + share, k); at += piece) {
          const size_t group = static_cast<size_t>(at / group_size);
          const float scale = half_to_float(c.token_group_scale[group * static_cast<size_t>(c.problem.m) + row]) *
                              half_to_float(c.group_scale[group * static_cast<size_t>(c.problem.n) + column]);
          sum = std::fma(static_cast<float>(dot(a + at, w + at, piece)), scale, sum);
        }
      }
      of_split = slice == 0 ? sum : of_split + sum;
    }
    total = total + of_split;
  }
  return total;
}

}  // namespace

double half_tolerance(const GemmProblem& problem) { return problem.output == Output::F16 ? 1e-3 : 8e-3; }

std::vector<uint16_t> ablated_halves(const GemmCase& c) {
  const size_t n = static_cast<size_t>(c.problem.n), k = static_cast<size_t>(c.problem.k);
  std::vector<uint16_t> halves(n * k);
  for (size_t column = 0; column < n; ++column) {
    for (size_t row = 0; row < k; ++row) {
      int bits = 0;
      for (size_t j = 0; j < 4; ++j) bits |= c.q4[(column / 32 * 32 + 8 * j + column % 8) * k + row] << (4 * j);
      halves[column * k + row] = static_cast<uint16_t>(bits & 0xbfff);
    }
  }
  return halves;
}

Check check_half(const GemmCase& c, std::span<const std::byte> out, bool ablated) {
  const GemmProblem& p = c.problem;
  const size_t m = static_cast<size_t>(p.m), n = static_cast<size_t>(p.n), k = static_cast<size_t>(p.k);
  if (out.size() != m * n * 2) return {false, 0, fmt::format("the output has {} bytes, not {}", out.size(), m * n * 2)};
  const std::vector<float> a = to_floats(c.a16), w = to_floats(ablated ? ablated_halves(c) : c.w16);
  double largest = 0, error = 0;
  size_t worst = 0;
  double wanted = 0, got = 0;
  for (size_t i = 0; i < m * n; ++i) {
    const size_t row = i / n, column = i % n;
    double expected = dot_floats(a.data() + row * k, w.data() + column * k, k);
    if (p.bias) expected += static_cast<double>(to_float(p.output, c.bias[column]));
    uint16_t bits;
    std::memcpy(&bits, out.data() + i * 2, 2);
    const double value = to_float(p.output, bits);
    largest = std::max(largest, std::abs(expected));
    const double difference = std::isfinite(value) ? std::abs(value - expected) : HUGE_VAL;
    if (difference > error) error = difference, worst = i, wanted = expected, got = value;
  }
  const double relative = largest > 0 ? error / largest : error;
  if (relative <= half_tolerance(p)) return {true, relative, ""};
  return {false, relative,
          fmt::format("m={} n={}: {} instead of {}; that is {:.2g} of the largest output, more than {:g}", worst / n,
                      worst % n, got, wanted, relative, half_tolerance(p))};
}

std::vector<std::byte> finish_int4(const GemmCase& c, SumOrder order, bool ablated) {
  const GemmProblem& p = c.problem;
  const size_t m = static_cast<size_t>(p.m), n = static_cast<size_t>(p.n), k = static_cast<size_t>(p.k);
  std::vector<std::byte> out(m * n * 2);
  for (size_t i = 0; i < m * n; ++i) {
    const size_t row = i / n, column = i % n;
    float y = ablated ? static_cast<float>(dot(c.a.data() + row * k, c.w.data() + column * k, p.k)) *
                            (half_to_float(c.group_scale[column]) * half_to_float(c.token_group_scale[row]))
                      : rescaled_sum(c, row, column, order);
    if (p.bias) y = y + to_float(p.output, c.bias[column]);
    const uint16_t bits = p.output == Output::F16 ? float_to_half(y) : float_to_bfloat16(y);
    std::memcpy(out.data() + i * 2, &bits, 2);
  }
  return out;
}

}  // namespace qoq::gemm
