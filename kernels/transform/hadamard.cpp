#include "kernels/transform/hadamard.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace qoq::transform {

namespace {

constexpr HadamardBase bases[] = {
    {12, Paley::One, 11, 1},  {20, Paley::One, 19, 1}, {28, Paley::Two, 13, 1}, {36, Paley::Two, 17, 1},
    {44, Paley::One, 43, 1},  {52, Paley::Two, 5, 2},  {60, Paley::One, 59, 1}, {68, Paley::One, 67, 1},
    {76, Paley::Two, 37, 1},  {84, Paley::One, 83, 1}, {100, Paley::Two, 7, 2}, {108, Paley::One, 107, 1},
    {124, Paley::Two, 61, 1},
};

int modulo(int a, int p) { return (a % p + p) % p; }

/// 1 for a square other than 0, −1 for another number, 0 for 0.
int legendre(int a, int p) {
  int power = 1;
  for (int i = 0; i < (p - 1) / 2; ++i) power = power * modulo(a, p) % p;
  return power == p - 1 ? -1 : power;
}

/// The quadratic character of the difference of the field's elements i and j. In the field of p² an element is
/// a + b·√r, r no square of the prime field, numbered a + b·p; its character is that of its norm a² − r·b².
int character(const HadamardBase& base, int i, int j) {
  const int p = base.prime, a = i % p - j % p;
  if (base.degree == 1) return legendre(a, p);
  int r = 2;
  while (legendre(r, p) != -1) ++r;
  const int b = i / p - j / p;
  return legendre(a * a - r * b * b, p);
}

/// The bordered matrix of characters: 0 on the diagonal, ±1 elsewhere; skew for q = 3 mod 4, symmetric for 1 mod 4.
std::vector<int> conference(const HadamardBase& base) {
  const size_t prime = static_cast<size_t>(base.prime), n = 1 + (base.degree == 1 ? prime : prime * prime);
  const int below = base.construction == Paley::One ? -1 : 1;
  std::vector<int> c(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) {
      int& value = c[i * n + j];
      if (i == j) continue;
      value = i == 0 ? 1 : j == 0 ? below : character(base, static_cast<int>(i) - 1, static_cast<int>(j) - 1);
    }
  }
  return c;
}

void add_and_subtract(float* a, float* b, size_t count) {
  for (size_t j = 0; j < count; ++j) {
    const float sum = a[j] + b[j];
    b[j] = a[j] - b[j];
    a[j] = sum;
  }
}

/// The vectors' butterflies over `run` neighbours, unscaled. Vectors that lie without gaps are mixed in long pieces.
void mix_powers(float* x, size_t stride, size_t count, size_t size, size_t run) {
  for (size_t half = 1; half < run; half *= 2) {
    for (size_t first = 0; first < size; first += 2 * half) {
      float* a = x + first * stride;
      float* b = a + half * stride;
      if (stride == count) {
        add_and_subtract(a, b, half * count);
        continue;
      }
      for (size_t i = 0; i < half; ++i) add_and_subtract(a + i * stride, b + i * stride, count);
    }
  }
}

}  // namespace

std::span<const HadamardBase> hadamard_bases() { return bases; }

std::vector<int8_t> hadamard_matrix(const HadamardBase& base) {
  const std::vector<int> c = conference(base);
  const size_t order = static_cast<size_t>(base.order);
  std::vector<int8_t> h(order * order);
  if (base.construction == Paley::One) {  // I + C
    for (size_t i = 0; i < h.size(); ++i) {
      h[i] = static_cast<int8_t>(c[i] + (i % (order + 1) == 0 ? 1 : 0));
    }
    return h;
  }
  const size_t n = order / 2;  // C with each 0 replaced by (1 −1; −1 −1) and each ±1 by ±(1 1; 1 −1)
  for (size_t i = 0; i < order; ++i) {
    for (size_t j = 0; j < order; ++j) {
      const int value = c[i / 2 * n + j / 2];
      const size_t odd = i % 2 + j % 2;
      const int sign = value == 0 ? (odd == 0 ? 1 : -1) : (odd == 2 ? -value : value);
      h[i * order + j] = static_cast<int8_t>(sign);
    }
  }
  return h;
}

std::optional<Hadamard> Hadamard::of_size(int size) {
  if (size <= 0) return std::nullopt;
  Hadamard made;
  made.powers_ = std::countr_zero(static_cast<unsigned>(size));
  const int odd = size >> made.powers_;
  if (odd == 1) return made;
  const auto base = std::find_if(std::begin(bases), std::end(bases), [&](auto& b) { return b.order == 4 * odd; });
  if (base == std::end(bases) || made.powers_ < 2) return std::nullopt;
  made.powers_ -= 2;
  made.order_ = base->order;
  made.base_ = hadamard_matrix(*base);
  return made;
}

std::string Hadamard::name() const {
  return order_ == 1 ? fmt::format("2^{}", powers_) : fmt::format("{}·2^{}", order_, powers_);
}

void Hadamard::mix_bases(float* x, size_t stride, size_t count, bool transposed) const {
  const size_t order = static_cast<size_t>(order_);
  std::vector<float> old(order * count);
  for (size_t i = 0; i < order; ++i) std::copy_n(x + i * stride, count, old.data() + i * count);
  for (size_t i = 0; i < order; ++i) {
    float* to = x + i * stride;
    std::fill_n(to, count, 0.0F);
    for (size_t from = 0; from < order; ++from) {
      const float sign = transposed ? base_[i * order + from] : base_[from * order + i];
      const float* value = old.data() + from * count;
      for (size_t j = 0; j < count; ++j) to[j] += sign * value[j];
    }
  }
}

void Hadamard::apply_strided(float* x, size_t stride, size_t count, bool transposed) const {
  const size_t n = static_cast<size_t>(size()), run = size_t{1} << powers_;
  mix_powers(x, stride, count, n, run);  // Sylvester's part is its own transpose
  if (order_ > 1 && stride == count) mix_bases(x, run * stride, run * count, transposed);
  for (size_t b = 0; order_ > 1 && stride != count && b < run; ++b) {
    mix_bases(x + b * stride, run * stride, count, transposed);
  }
  const float norm = 1.0F / std::sqrt(static_cast<float>(n));
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < count; ++j) x[i * stride + j] *= norm;
  }
}

void Hadamard::apply_columns(float* x, size_t stride, size_t count) const { apply_strided(x, stride, count, false); }

void Hadamard::apply(float* x) const { apply_strided(x, 1, 1, false); }

void Hadamard::apply_inverse(float* x) const { apply_strided(x, 1, 1, true); }

}  // namespace qoq::transform
