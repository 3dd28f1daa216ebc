#include "kernels/transform/clip_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/parallel.h"
#include "kernels/transform/clip_row.h"
#include "kernels/transform/rotary.h"
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
      : format_(format), config_(config), x_(x), rotary_(config, positions) {}

  /// One head's vectors [tokens][head_dim] from its rows, as attention multiplies them: bias, norm, RoPE.
  std::vector<float> vectors(const Side& side, int head, std::span<const float> rows) const {
    const size_t dim = static_cast<size_t>(config_.head_dim), tokens = static_cast<size_t>(x_.tokens);
    std::vector<float> made(tokens * dim), sums(tokens);
    for (size_t i = 0; i < dim; ++i) {
      std::fill(sums.begin(), sums.end(), side.bias.empty() ? 0.0F : side.bias[static_cast<size_t>(head) * dim + i]);
      x_.accumulate(rows.subspan(i * inputs(), inputs()), 0, sums);
      for (size_t t = 0; t < tokens; ++t) made[t * dim + i] = sums[t];
    }
    for (size_t t = 0; t < tokens; ++t) {
      float* vector = made.data() + t * dim;
      if (!side.norm.empty()) normalise({vector, dim}, side.norm);
      rotary_.apply(t, vector);
    }
    return made;
  }

  std::span<const float> head_rows(const Side& side, int head) const {
    const size_t size = static_cast<size_t>(config_.head_dim) * inputs();
    return std::span<const float>(side.weight->values).subspan(static_cast<size_t>(head) * size, size);
  }

  /// What an error in one side's vectors costs in logits: the other side's second moment over some heads.
  SecondMoment moment(const Side& side, int first_head, int heads) const {
    SecondMoment sums(config_.head_dim);
    for (int head = first_head; head < first_head + heads; ++head) {
      const std::vector<float> all = vectors(side, head, head_rows(side, head));
      for (size_t first = 0; first < all.size(); first += static_cast<size_t>(config_.head_dim)) {
        sums.add(all.data() + first);
      }
    }
    return sums;
  }

  std::vector<float> clipped(const Side& side, int head, const SecondMoment& other) const {
    const std::span<const float> rows = head_rows(side, head);
    const std::vector<float> exact = vectors(side, head, rows);
    std::vector<float> best(rows.begin(), rows.end());
    double least = std::numeric_limits<double>::infinity();
    const auto consider = [&](std::vector<float> candidate) {
      const double error = logit_error(side, head, candidate, exact, other);
      if (error < least) best = std::move(candidate), least = error;
    };
    const RowCost cost(x_);
    for (const float ratio : clip_ratios) {
      consider(by_row(rows, [&](std::span<const float> row) { return clamp_row(row, format_, ratio); }));
    }
    consider(by_row(rows, [&](std::span<const float> row) { return clip_row(row, format_, cost); }));
    return best;
  }

 private:
  size_t inputs() const { return x_.values.size() / static_cast<size_t>(x_.tokens); }

  void normalise(std::span<float> vector, std::span<const float> gain) const {
    double sum = 0;
    for (const float value : vector) sum += static_cast<double>(value) * value;
    const double root = std::sqrt(sum / static_cast<double>(vector.size()) + config_.norm_epsilon);
    for (size_t i = 0; i < vector.size(); ++i) vector[i] = static_cast<float>(vector[i] / root) * gain[i];
  }

  template <class Make>
  std::vector<float> by_row(std::span<const float> rows, const Make& make) const {
    std::vector<float> made;
    for (size_t first = 0; first < rows.size(); first += inputs()) {
      const std::vector<float> row = make(rows.subspan(first, inputs()));
      made.insert(made.end(), row.begin(), row.end());
    }
    return made;
  }

  double logit_error(const Side& side, int head, std::span<const float> candidate, const std::vector<float>& exact,
                     const SecondMoment& other) const {
    const std::vector<float> kept =
        by_row(candidate, [&](std::span<const float> row) { return quantised_row(row, format_); });
    if (kept.size() != candidate.size()) return std::numeric_limits<double>::infinity();
    std::vector<float> lost = vectors(side, head, kept);
    for (size_t i = 0; i < lost.size(); ++i) lost[i] -= exact[i];
    double sum = 0;
    for (size_t first = 0; first < lost.size(); first += static_cast<size_t>(config_.head_dim)) {
      sum += other.cost(lost.data() + first);
    }
    return sum;
  }

  const WeightFormat& format_;
  const Config& config_;
  TokenColumns x_;
  Rotary rotary_;
};

}  // namespace

void clip_attention(const WeightFormat& format, const Config& config, Layer& layer, const Matrix& x,
                    std::span<const int> positions, int threads) {
  const LogitClip clip(format, config, x, positions);
  const Side queries{&layer.q, layer.q_bias, layer.q_norm}, keys{&layer.k, layer.k_bias, layer.k_norm};
  const size_t heads = static_cast<size_t>(config.heads), all = heads + static_cast<size_t>(config.kv_heads);
  std::vector<std::vector<float>> made(all);  // written back at the end: every head is judged against whole others
  run_parallel(all, threads, [&](size_t i) {
    const int head = static_cast<int>(i < heads ? i : i - heads);
    made[i] = i < heads ? clip.clipped(queries, head, clip.moment(keys, head / config.group(), 1))
                        : clip.clipped(keys, head, clip.moment(queries, head * config.group(), config.group()));
  });
  for (size_t i = 0; i < all; ++i) {
    llama::Matrix& weight = i < heads ? layer.q : layer.k;
    std::copy(made[i].begin(), made[i].end(),
              weight.row(static_cast<int>(i < heads ? i : i - heads) * config.head_dim));
  }
}

}  // namespace qoq::transform
