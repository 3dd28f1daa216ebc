#include "kernels/llama/attention.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/base/error.h"
#include "kernels/base/parallel.h"
#include "kernels/llama/elementary.h"
#include "kernels/llama/product.h"

namespace qoq::llama {

namespace {

/// sum[d] += weight · value[d]
__attribute__((target_clones("avx2", "default"))) void add_weighted(float weight, const float* value, int head_dim,
                                                                    float* sum) {
  for (int d = 0; d < head_dim; ++d) sum[d] += weight * value[d];
}

/// One head of one query: softmax over the keys of rows first … last, then their values' mean.
void attend_row(const float* q, const Matrix& k, const Matrix& v, int kv_head, int head_dim, int first, int last,
                float scale, float* out) {
  const int column = kv_head * head_dim;
  std::vector<float> weights;
  float largest = -HUGE_VALF;
  for (int j = first; j <= last; ++j) {
    weights.push_back(scale * dot(q, k.row(j) + column, head_dim));
    largest = std::max(largest, weights.back());
  }
  double total = 0;
  for (float& weight : weights) {
    weight = static_cast<float>(exponential(static_cast<double>(weight) - static_cast<double>(largest)));
    total += static_cast<double>(weight);
  }
  for (int j = first; j <= last; ++j)
    add_weighted(weights[static_cast<size_t>(j - first)], v.row(j) + column, head_dim, out);
  const float all = static_cast<float>(total);
  for (int d = 0; d < head_dim; ++d) out[d] /= all;
}

}  // namespace

std::vector<int> count_positions(int count) {
  std::vector<int> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), 0);
  return positions;
}

std::vector<int> sequence_starts(std::span<const int> positions) {
  std::vector<int> starts;
  for (size_t t = 0; t < positions.size(); ++t)
    starts.push_back(t == 0 || positions[t] <= positions[t - 1] ? static_cast<int>(t) : starts.back());
  return starts;
}

void apply_rope(Matrix& rows, int head_dim, double theta, std::span<const int> positions, int threads) {
  if (positions.size() != static_cast<size_t>(rows.rows) || head_dim % 2 != 0 || rows.cols % head_dim != 0)
    fail("{} positions for {} rows of {} channels in heads of {}", positions.size(), rows.rows, rows.cols, head_dim);
  const int half = head_dim / 2;
  std::vector<double> frequency;
  for (int i = 0; i < half; ++i) frequency.push_back(power(theta, -2.0 * i / head_dim));
  run_parallel(static_cast<size_t>(rows.rows), threads, [&](size_t t) {
    float* row = rows.row(static_cast<int>(t));
    for (int i = 0; i < half; ++i) {
      const SineCosine turn = sine_cosine(positions[t] * frequency[static_cast<size_t>(i)]);
      const float sine = static_cast<float>(turn.sine), cosine = static_cast<float>(turn.cosine);
      for (float* head = row; head != row + rows.cols; head += head_dim) {
        const float a = head[i], b = head[i + half];
        head[i] = a * cosine - b * sine;
        head[i + half] = b * cosine + a * sine;
      }
    }
  });
}

void normalize_heads(Matrix& rows, std::span<const float> gain, float epsilon, int threads) {
  const int head_dim = static_cast<int>(gain.size());
  if (head_dim == 0 || rows.cols % head_dim != 0) fail("{} channels in heads of {}", rows.cols, head_dim);
  run_parallel(static_cast<size_t>(rows.rows), threads, [&](size_t t) {
    float* row = rows.row(static_cast<int>(t));
    for (float* head = row; head != row + rows.cols; head += head_dim) {
      double squares = 0;
      for (int d = 0; d < head_dim; ++d) squares += static_cast<double>(head[d]) * static_cast<double>(head[d]);
      const auto shrink = static_cast<float>(1 / std::sqrt(squares / head_dim + static_cast<double>(epsilon)));
      for (int d = 0; d < head_dim; ++d) head[d] = head[d] * shrink * gain[static_cast<size_t>(d)];
    }
  });
}

Matrix attend(const Config& config, const Matrix& q, const Matrix& k, const Matrix& v, std::span<const int> starts,
              int threads) {
  if (q.cols != config.q_width() || k.cols != config.kv_width() || v.cols != config.kv_width() || k.rows != q.rows ||
      v.rows != q.rows || starts.size() != static_cast<size_t>(q.rows))
    fail("attention of {} × {} queries, {} × {} keys and {} × {} values", q.rows, q.cols, k.rows, k.cols, v.rows,
         v.cols);
  Matrix out(q.rows, q.cols);
  const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.head_dim)));
  run_parallel(static_cast<size_t>(q.rows), threads, [&](size_t t) {
    const int row = static_cast<int>(t);
    for (int head = 0; head < config.heads; ++head) {
      const int column = head * config.head_dim;
      attend_row(q.row(row) + column, k, v, head / config.group(), config.head_dim, starts[t], row, scale,
                 out.row(row) + column);
    }
  });
  return out;
}

}  // namespace qoq::llama
