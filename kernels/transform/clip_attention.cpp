#include "kernels/transform/clip_attention.h"

#include <algorithm>
#include <limits>

#include "kernels/base/parallel.h"
#include "kernels/llama/attention.h"
#include "kernels/llama/product.h"
#include "kernels/transform/clip_row.h"
#include "kernels/transform/second_moment.h"

namespace qoq::transform {

using llama::Config;
using llama::Layer;
using llama::Matrix;

namespace {

/// One side (queries or keys) of attention: a weight and what follows it.
struct Side {
  Matrix* weight;
  std::span<const float> bias, norm;
};

class LogitClip {
 public:
  LogitClip(const WeightFormat& format, const Config& config, const Matrix& x, std::span<const int> positions)
      : format_(format), config_(config), x_(x), columns_(x), positions_(positions) {}

  static Matrix head_rows(const Side& side, int head, int head_dim) {
    Matrix rows(head_dim, side.weight->cols);
    std::copy_n(side.weight->row(head * head_dim), rows.values.size(), rows.values.begin());
    return rows;
  }

  /// What an error in one side's vectors costs in logits: the other side's second moment over some heads.
  SecondMoment moment(const Side& side, int first_head, int heads) const {
    SecondMoment sums(config_.head_dim);
    for (int head = first_head; head < first_head + heads; ++head) {
      const Matrix all = vectors(side, head, head_rows(side, head, config_.head_dim));
      for (int t = 0; t < all.rows; ++t) sums.add(all.row(t));
    }
    return sums;
  }

  Matrix clipped(const Side& side, int head, const SecondMoment& other) const {
    const Matrix rows = head_rows(side, head, config_.head_dim), exact = vectors(side, head, rows);
    Matrix best = rows;
    double least = std::numeric_limits<double>::infinity();
    const auto consider = [&](Matrix candidate) {
      const double error = logit_error(side, head, candidate, exact, other);
      if (error < least) best = std::move(candidate), least = error;
    };
    const RowCost cost(columns_);
    for (const float ratio : clip_ratios) {
      consider(by_row(rows, [&](std::span<const float> row) { return clamp_row(row, format_, ratio); }));
    }
    consider(by_row(rows, [&](std::span<const float> row) { return clip_row(row, format_, cost); }));
    return best;
  }

 private:
  /// One head's vectors [T][head_dim] from its rows, as attention multiplies them: bias, norm, RoPE.
  Matrix vectors(const Side& side, int head, const Matrix& rows) const {
    const size_t dim = static_cast<size_t>(config_.head_dim);
    const auto bias = side.bias.empty() ? side.bias : side.bias.subspan(static_cast<size_t>(head) * dim, dim);
    Matrix made = llama::multiply(x_, rows, bias, 1);
    if (!side.norm.empty()) llama::normalize_heads(made, side.norm, config_.norm_epsilon, 1);
    llama::apply_rope(made, config_.head_dim, config_.rope_theta, positions_, 1);
    return made;
  }

  /// No rows where one cannot be made.
  template <class Make>
  static Matrix by_row(const Matrix& rows, const Make& make) {
    Matrix made(rows.rows, rows.cols);
    for (int r = 0; r < rows.rows; ++r) {
      const std::vector<float> row = make(std::span(rows.row(r), static_cast<size_t>(rows.cols)));
      if (row.empty()) return {};
      std::copy(row.begin(), row.end(), made.row(r));
    }
    return made;
  }

  double logit_error(const Side& side, int head, const Matrix& candidate, const Matrix& exact,
                     const SecondMoment& other) const {
    const Matrix kept = by_row(candidate, [&](std::span<const float> row) { return quantised_row(row, format_); });
    if (kept.rows == 0) return std::numeric_limits<double>::infinity();
    Matrix lost = vectors(side, head, kept);
    double sum = 0;
    for (size_t i = 0; i < lost.values.size(); ++i) lost.values[i] -= exact.values[i];
    for (int t = 0; t < lost.rows; ++t) sum += other.cost(lost.row(t));
    return sum;
  }

  const WeightFormat& format_;
  const Config& config_;
  const Matrix& x_;
  TokenColumns columns_;
  std::span<const int> positions_;
};

}  // namespace

void clip_attention(const WeightFormat& format, const Config& config, Layer& layer, const Matrix& x,
                    std::span<const int> positions, int threads) {
  const LogitClip clip(format, config, x, positions);
  const Side queries{&layer.q, layer.q_bias, layer.q_norm}, keys{&layer.k, layer.k_bias, layer.k_norm};
  const size_t heads = static_cast<size_t>(config.heads), all = heads + static_cast<size_t>(config.kv_heads);
  std::vector<Matrix> made(all);  // written back at the end: every head is judged against whole others
  run_parallel(all, threads, [&](size_t i) {
    const int head = static_cast<int>(i < heads ? i : i - heads);
    made[i] = i < heads ? clip.clipped(queries, head, clip.moment(keys, head / config.group(), 1))
                        : clip.clipped(keys, head, clip.moment(queries, head * config.group(), config.group()));
  });
  for (size_t i = 0; i < all; ++i) {
    Matrix& weight = i < heads ? layer.q : layer.k;
    const int head = static_cast<int>(i < heads ? i : i - heads);
    std::copy(made[i].values.begin(), made[i].values.end(), weight.row(head * config.head_dim));
  }
}

}  // namespace qoq::transform
