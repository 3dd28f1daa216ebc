#include "kernels/transform/proof.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/base/random.h"
#include "kernels/llama/forward.h"
#include "kernels/transform/rotation.h"

namespace qoq::transform {

using llama::Matrix;

namespace {

Matrix random_stream(int tokens, int hidden, uint64_t seed) {
  constexpr int apart = 61;
  Random random(seed);
  Matrix x(tokens, hidden);
  for (int t = 0; t < tokens; ++t) {
    for (int c = 0; c < hidden; ++c) x.row(t)[c] = random.uniform(-1, 1) * (c % apart == 7 ? 20.0F : 1.0F);
  }
  return x;
}

/// ‖a − b‖² of one token.
double squared_distance(const float* a, const float* b, int count) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

}  // namespace

Proof::Proof(const llama::Config& config, const llama::Layer& before, int tokens, uint64_t seed, int threads)
    : config_(config), threads_(threads), x_(random_stream(tokens, config.hidden, seed)) {
  config_.rope_scaling.clear();
  config_.window = 0;
  y_ = llama::layer_forward(config_, before, x_, llama::count_positions(tokens), nullptr, threads);
}

double Proof::difference(const Recipe& recipe, const llama::Layer& after) const {
  Matrix x = x_, wanted = y_;
  if (recipe.rotate) {
    const Hadamard hadamard = rotation_of(config_.hidden);
    rotate_rows(hadamard, x, threads_);
    rotate_rows(hadamard, wanted, threads_);
  }
  const Matrix y = llama::layer_forward(config_, after, x, llama::count_positions(x.rows), nullptr, threads_);
  double worst = 0;
  for (int t = 0; t < y.rows; ++t) {
    const double off = std::sqrt(squared_distance(y.row(t), wanted.row(t), y.cols));
    const double added = std::sqrt(squared_distance(y_.row(t), x_.row(t), y.cols));
    if (off == 0) continue;  // a layer that adds nothing is proven too
    if (!std::isfinite(off / added)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, off / added);
  }
  return worst;
}

}  // namespace qoq::transform
