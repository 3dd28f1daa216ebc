#include "kernels/transform/rotary.h"

#include <cmath>
#include <numbers>

#include "kernels/transform/power.h"

namespace qoq::transform {

namespace {

struct Turn {
  double cosine, sine;
};

/// Taylor's series after a reduction to ±π/4: good to 1e-15 there, and to angle · 1e-16.
Turn turn(double angle) {
  constexpr double quarter = std::numbers::pi / 2;
  const double quarters = std::floor(angle / quarter + 0.5), r = angle - quarters * quarter;
  double cosine = 0, sine = 0, term = 1;
  for (int i = 1; i <= 18; ++i) {  // term = ± r^(i−1)/(i−1)!, the sign changes with each pair
    (i % 2 == 1 ? cosine : sine) += term;
    term *= (i % 2 == 0 ? -r : r) / i;
  }
  switch (static_cast<long long>(quarters) & 3) {
    case 0:
      return {cosine, sine};
    case 1:
      return {-sine, cosine};
    case 2:
      return {-cosine, -sine};
    default:
      return {sine, -cosine};
  }
}

}  // namespace

Rotary::Rotary(const llama::Config& config, std::span<const int> positions)
    : half_(static_cast<size_t>(config.head_dim) / 2) {
  for (const int position : positions) {
    for (size_t i = 0; i < half_; ++i) {
      const double frequency = power(1.0 / config.rope_theta, static_cast<double>(i) / static_cast<double>(half_));
      const Turn at = turn(position * frequency);
      cosines_.push_back(at.cosine);
      sines_.push_back(at.sine);
    }
  }
}

void Rotary::apply(size_t index, float* head) const {
  for (size_t i = 0; i < half_; ++i) {
    const double cosine = cosines_[index * half_ + i], sine = sines_[index * half_ + i];
    const double a = head[i], b = head[i + half_];
    head[i] = static_cast<float>(a * cosine - b * sine);
    head[i + half_] = static_cast<float>(b * cosine + a * sine);
  }
}

}  // namespace qoq::transform
