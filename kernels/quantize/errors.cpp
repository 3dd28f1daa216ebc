#include "kernels/quantize/errors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"
#include "kernels/base/random.h"
#include "kernels/gemm/reference.h"
#include "kernels/qoq/activation.h"
#include "kernels/quantize/scheme.h"

namespace qoq::quantize {

namespace {

/// Half a step is the most that rounding costs; fp16's rounding of z·s1 adds 15/2^11 of a step.
constexpr float clipped_beyond_steps = 0.51F;
constexpr size_t columns_at_once = 64;

/// The distance of neighbouring codes in the run of weights from `column` on, and how many share it.
struct Run {
  float step;
  size_t length;
};

Run run_at(const LinearWeights& weights, size_t row, size_t column) {
  if (const auto* groups = std::get_if<GroupWeights>(&weights.form)) {
    const size_t n = static_cast<size_t>(weights.n), group = static_cast<size_t>(groups->group);
    return {half_to_float(groups->s1[row]) * static_cast<float>(groups->metadata.scale[column / group * n + row]),
            group};
  }
  return {half_to_float(std::get<ChannelWeights>(weights.form).s1[row]), static_cast<size_t>(weights.k)};
}

WeightErrors row_errors(std::span<const float> w, std::span<const float> stored, const LinearWeights& weights,
                        size_t row) {
  WeightErrors out;
  for (size_t column = 0; column < w.size();) {
    const Run run = run_at(weights, row, column);
    const double limit = static_cast<double>(clipped_beyond_steps * run.step);
    for (const size_t end = std::min(w.size(), column + run.length); column < end; ++column) {
      const double error = std::abs(static_cast<double>(w[column]) - static_cast<double>(stored[column]));
      out.squared_error += error * error;
      out.squared_sum += static_cast<double>(w[column]) * static_cast<double>(w[column]);
      out.max_error = std::max(out.max_error, error);
      out.clipped += error > limit ? 1 : 0;
    }
  }
  out.count = w.size();
  return out;
}

/// fp32 in sixteen partial sums, whose order is part of the result.
float dot(const float* a, const float* b, size_t count) {
  std::array<float, 16> sums{};
  size_t i = 0;
  for (; i + sums.size() <= count; i += sums.size()) {
    for (size_t j = 0; j < sums.size(); ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

/// What the tensor cores multiply, [N][K]: reconstructed int8, or the raw codes.
std::vector<int8_t> operands(const LinearWeights& weights) {
  if (const auto* groups = std::get_if<GroupWeights>(&weights.form))
    return reconstruct_int8(groups->q4, groups->metadata, weights.n, weights.k, groups->group);
  const std::vector<uint8_t>& q4 = std::get<ChannelWeights>(weights.form).q4;
  return {q4.begin(), q4.end()};
}

/// The reference GEMM of `count` columns from `first` on: fp16 outputs [T][count].
std::vector<float> reference_columns(const TokenActivations& tokens, int m, const LinearWeights& weights,
                                     std::span<const int8_t> w, size_t first, size_t count) {
  gemm::GemmCase c;
  const bool channel = std::holds_alternative<ChannelWeights>(weights.form);
  c.problem.scheme = channel ? gemm::Scheme::W4A8Channel : gemm::Scheme::W4A8Group;
  c.problem.m = m;
  c.problem.n = static_cast<int>(count);
  c.problem.k = weights.k;
  c.a = tokens.q;
  c.sx = tokens.sx;
  c.token_sum = tokens.token_sum;
  const std::vector<uint16_t>& s1 = std::visit(
      [](const auto& f) -> const auto& { return f.s1; }, weights.form);
  const auto slice = [&](const std::vector<uint16_t>& all) {
    const auto begin = all.begin() + static_cast<ptrdiff_t>(first);
    return std::vector<uint16_t>(begin, begin + static_cast<ptrdiff_t>(count));
  };
  c.s1 = slice(s1);
  if (channel) c.szero = slice(std::get<ChannelWeights>(weights.form).szero);
  const size_t k = static_cast<size_t>(weights.k);
  const std::vector<std::byte> bytes = gemm::finish(c, gemm::accumulate(c, w.subspan(first * k, count * k)));
  std::vector<float> out(bytes.size() / 2);
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t half;
    std::memcpy(&half, bytes.data() + i * 2, 2);
    out[i] = half_to_float(half);
  }
  return out;
}

}  // namespace

double WeightErrors::sqnr_db() const {
  if (squared_error <= 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(squared_sum / squared_error);
}

WeightErrors& WeightErrors::operator+=(const WeightErrors& other) {
  squared_error += other.squared_error;
  squared_sum += other.squared_sum;
  max_error = std::max(max_error, other.max_error);
  clipped += other.clipped;
  count += other.count;
  return *this;
}

OutputErrors& OutputErrors::operator+=(const OutputErrors& other) {
  squared_error += other.squared_error;
  squared_sum += other.squared_sum;
  return *this;
}

WeightErrors weight_errors(std::span<const float> w, const LinearWeights& weights, int threads) {
  const size_t n = static_cast<size_t>(weights.n), k = static_cast<size_t>(weights.k);
  if (w.size() != n * k) bad_input("weights of n={} k={} do not fit {} values", n, k, w.size());
  const std::vector<float> stored = dequantize(weights);
  std::vector<WeightErrors> rows(n);
  run_parallel(n, threads, [&](size_t row) {
    rows[row] = row_errors(w.subspan(row * k, k), std::span(stored).subspan(row * k, k), weights, row);
  });
  WeightErrors out;
  for (const WeightErrors& row : rows) out += row;
  return out;
}

OutputErrors output_errors(const llama::Matrix& x, std::span<const float> w, const llama::Matrix& quantised_x,
                           const LinearWeights& weights, int threads) {
  const size_t n = static_cast<size_t>(weights.n), k = static_cast<size_t>(weights.k);
  if (w.size() != n * k || x.cols != weights.k || quantised_x.cols != weights.k || x.rows != quantised_x.rows) {
    bad_input("weights of n={} k={} do not fit {} values and inputs of {} columns", n, k, w.size(), x.cols);
  }
  const TokenActivations tokens = quantize_tokens(quantised_x.values, quantised_x.rows, quantised_x.cols);
  const std::vector<int8_t> multiplied = operands(weights);
  std::vector<OutputErrors> blocks((n + columns_at_once - 1) / columns_at_once);
  run_parallel(blocks.size(), threads, [&](size_t block) {
    const size_t first = block * columns_at_once, count = std::min(columns_at_once, n - first);
    const std::vector<float> got = reference_columns(tokens, x.rows, weights, multiplied, first, count);
    for (size_t column = 0; column < count; ++column) {
      for (int row = 0; row < x.rows; ++row) {
        const double y = dot(x.row(row), w.data() + (first + column) * k, k);
        const double error = y - got[static_cast<size_t>(row) * count + column];
        blocks[block].squared_error += error * error;
        blocks[block].squared_sum += y * y;
      }
    }
  });
  OutputErrors out;
  for (const OutputErrors& block : blocks) out += block;
  return out;
}

llama::Matrix random_inputs(int rows, int cols, uint64_t seed) {
  Random random(seed);
  llama::Matrix x(rows, cols);
  for (float& value : x.values) {
    // The sum of twelve uniform numbers: the same on every machine, as a logarithm's rounding need not be.
    value = 0;
    for (int i = 0; i < 12; ++i) value += random.uniform(-0.5F, 0.5F);
  }
  return x;
}

llama::Matrix sampled_rows(const llama::Matrix& x, int rows) {
  if (x.rows <= rows) return x;
  llama::Matrix out(rows, x.cols);
  for (int i = 0; i < rows; ++i) {
    const auto from = static_cast<int>(static_cast<int64_t>(i) * x.rows / rows);
    std::copy_n(x.row(from), x.cols, out.row(i));
  }
  return out;
}

}  // namespace qoq::quantize
