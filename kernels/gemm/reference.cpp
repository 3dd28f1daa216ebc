#include "kernels/gemm/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/base/float16.h"

namespace qoq::gemm {

namespace {

double value_at(Output output, std::span<const std::byte> bytes, size_t index) {
  if (output == Output::I32) {
    int32_t value;
    std::memcpy(&value, bytes.data() + index * 4, 4);
    return value;
  }
  uint16_t value;
  std::memcpy(&value, bytes.data() + index * 2, 2);
  return output == Output::F16 ? half_to_float(value) : bfloat16_to_float(value);
}

}  // namespace

__attribute__((target_clones("avx2", "default"))) int32_t dot(const int8_t* a, const int8_t* w, int count) {
  int32_t sum = 0;
  for (int i = 0; i < count; ++i) sum += static_cast<int16_t>(a[i]) * static_cast<int16_t>(w[i]);
  return sum;
}

std::vector<int32_t> accumulate(const GemmCase& c, std::span<const int8_t> w) {
  const size_t m = static_cast<size_t>(c.problem.m), n = static_cast<size_t>(c.problem.n),
               k = static_cast<size_t>(c.problem.k);
  std::vector<int32_t> sums(m * n);
  for (size_t column = 0; column < n; ++column) {
    for (size_t row = 0; row < m; ++row) {
      sums[row * n + column] = dot(c.a.data() + row * k, w.data() + column * k, c.problem.k);
    }
  }
  return sums;
}

std::vector<std::byte> finish(const GemmCase& c, std::span<const int32_t> sums) {
  const GemmProblem& p = c.problem;
  const size_t n = static_cast<size_t>(p.n);
  std::vector<std::byte> out(sums.size() * (p.output == Output::I32 ? 4 : 2));
  for (size_t i = 0; i < sums.size(); ++i) {
    if (p.output == Output::I32) {
      std::memcpy(out.data() + i * 4, &sums[i], 4);
      continue;
    }
    const size_t row = i / n, column = i % n;
    float y = static_cast<float>(sums[i]) * (half_to_float(c.s1[column]) * half_to_float(c.sx[row]));
    if (p.scheme == Scheme::W4A8Channel) y = y - half_to_float(c.szero[column]) * c.token_sum[row];
    if (p.bias) y = y + (p.output == Output::F16 ? half_to_float(c.bias[column]) : bfloat16_to_float(c.bias[column]));
    const uint16_t bits = p.output == Output::F16 ? float_to_half(y) : float_to_bfloat16(y);
    std::memcpy(out.data() + i * 2, &bits, 2);
  }
  return out;
}

std::vector<int8_t> ablated_weights(const GemmCase& c, bool biased) {
  const size_t n = static_cast<size_t>(c.problem.n), k = static_cast<size_t>(c.problem.k);
  std::vector<int8_t> w(n * k);
  for (size_t column = 0; column < n; ++column) {
    const size_t e = column % 16 / 8;
    for (size_t row = 0; row < k; ++row) {
      const size_t half = row % 32 / 16;
      const size_t low = column / 32 * 32 + half * 8 + column % 8;
      const size_t from = row / 32 * 32 + (column % 32 < 16 ? e : 1 - e) * 16 + row % 16;
      const int byte = c.q4[low * k + from] | c.q4[(low + 16) * k + from] << 4;
      w[column * k + row] = static_cast<int8_t>(biased ? byte - 128 : byte);
    }
  }
  return w;
}

Check compare(const GemmCase& c, std::span<const std::byte> out, std::span<const std::byte> expected) {
  if (out.size() != expected.size()) {
    return {false, 0, fmt::format("the output has {} bytes, the reference {}", out.size(), expected.size())};
  }
  if (std::memcmp(out.data(), expected.data(), out.size()) == 0) return {true, 0, ""};
  const Output output = c.problem.output;
  const size_t width = output == Output::I32 ? 4 : 2, count = out.size() / width, n = static_cast<size_t>(c.problem.n);
  size_t differing = 0, first = count;
  double error = 0, scale = 0;
  for (size_t i = 0; i < count; ++i) {
    const double want = value_at(output, expected, i);
    if (std::isfinite(want)) scale = std::max(scale, std::abs(want));
    if (std::memcmp(out.data() + i * width, expected.data() + i * width, width) == 0) continue;
    if (differing++ == 0) first = i;
    const double difference = std::abs(value_at(output, out, i) - want);
    error = std::max(error, std::isfinite(difference) ? difference : HUGE_VAL);
  }
  return {false, scale > 0 ? error / scale : error,
          fmt::format("{} of {} outputs differ, first m={} n={}: {} instead of {}", differing, count, first / n,
                      first % n, value_at(output, out, first), value_at(output, expected, first))};
}

}  // namespace qoq::gemm
