#include "kernels/accuracy/cached_attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/float16.h"
#include "kernels/base/parallel.h"
#include "kernels/llama/elementary.h"
#include "kernels/qoq/kv_cache.h"

namespace qoq::accuracy {

namespace {

/// [T][kv_heads · head_dim] as numbers.
using Rows = std::vector<double>;

float rounded(float x) { return half_to_float(float_to_half(x)); }

Rows exact_rows(const llama::Matrix& m) {
  Rows rows(m.values.size());
  std::ranges::transform(m.values, rows.begin(), [](float x) { return static_cast<double>(rounded(x)); });
  return rows;
}

/// What the cache gives back for each of them.
Rows cached_rows(const llama::Matrix& m, int head_dim, int bits, int threads) {
  Rows rows = exact_rows(m);
  if (bits == 16) return rows;
  run_parallel(rows.size() / static_cast<size_t>(head_dim), threads, [&](size_t i) {
    double* row = rows.data() + i * static_cast<size_t>(head_dim);
    std::vector<float> x(static_cast<size_t>(head_dim));
    std::transform(row, row + head_dim, x.begin(), [](double value) { return static_cast<float>(value); });
    const KvRow stored = quantize_kv(x, bits);
    for (int d = 0; d < head_dim; ++d)
      row[d] = (static_cast<double>(stored.codes[static_cast<size_t>(d)]) - half_to_float(stored.zero)) *
               half_to_float(stored.scale);
  });
  return rows;
}

/// Keys and values of one KV head: from the cache, and the newest token's as it is used.
struct Head {
  const double *cached_keys, *cached_values, *newest_key, *newest_value;
  size_t stride;  ///< from token to token
};

/// One query head over the tokens first … last of a head's cache, `last` being the newest.
void attend_row(const float* q, const Head& head, int head_dim, int first, int last, float* out) {
  std::vector<double> weights;
  double largest = -HUGE_VAL;
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  for (int j = first; j <= last; ++j) {
    const double* key = j == last ? head.newest_key : head.cached_keys + static_cast<size_t>(j) * head.stride;
    double logit = 0;
    for (int d = 0; d < head_dim; ++d) logit += static_cast<double>(q[d]) * key[d];
    weights.push_back(logit * scale);
    largest = std::max(largest, weights.back());
  }
  double total = 0;
  std::vector<double> sum(static_cast<size_t>(head_dim));
  for (int j = first; j <= last; ++j) {
    const double* value = j == last ? head.newest_value : head.cached_values + static_cast<size_t>(j) * head.stride;
    const double weight = llama::exponential(weights[static_cast<size_t>(j - first)] - largest);
    total += weight;
    for (int d = 0; d < head_dim; ++d) sum[static_cast<size_t>(d)] += weight * value[d];
  }
  for (int d = 0; d < head_dim; ++d) out[d] = rounded(static_cast<float>(sum[static_cast<size_t>(d)] / total));
}

}  // namespace

llama::Matrix attend_cached(const llama::Config& config, const Numerics& numerics, const llama::Matrix& q,
                            const llama::Matrix& k, const llama::Matrix& v, std::span<const int> starts, int threads) {
  if (q.cols != config.q_width() || k.cols != config.kv_width() || v.cols != config.kv_width() || k.rows != q.rows ||
      v.rows != q.rows || starts.size() != static_cast<size_t>(q.rows))
    fail("attention of {} × {} queries, {} × {} keys and {} × {} values", q.rows, q.cols, k.rows, k.cols, v.rows,
         v.cols);
  const int width = config.head_dim;
  const Rows keys = cached_rows(k, width, numerics.cache_bits, threads);
  const Rows values = cached_rows(v, width, numerics.cache_bits, threads);
  const Rows newest_keys = numerics.newest_exact ? exact_rows(k) : keys;
  const Rows newest_values = numerics.newest_exact ? exact_rows(v) : values;
  const auto stride = static_cast<size_t>(config.kv_width());
  llama::Matrix out(q.rows, q.cols);
  run_parallel(static_cast<size_t>(q.rows), threads, [&](size_t t) {
    const int row = static_cast<int>(t);
    for (int query = 0; query < config.heads; ++query) {
      const auto column = static_cast<size_t>(query / config.group() * width);
      const size_t own = t * stride + column;
      const Head head{keys.data() + column, values.data() + column, newest_keys.data() + own,
                      newest_values.data() + own, stride};
      std::vector<float> half(q.row(row) + query * width, q.row(row) + (query + 1) * width);
      for (float& x : half) x = rounded(x);
      attend_row(half.data(), head, width, starts[t], row, out.row(row) + query * width);
    }
  });
  return out;
}

}  // namespace qoq::accuracy
