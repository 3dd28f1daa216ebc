#include "kernels/llama/elementary.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace qoq::llama {

namespace {

/// To the nearest integer: the sum's last place is worth 1.
double nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

/// 2^n of −1022 … 1023.
double power_of_two(int n) { return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52); }

// The high parts have so many zeros at their end that a whole number of up to 20 bits times them is exact.
constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
constexpr double half_pi_high = 0x1.921fb544p+0, half_pi_middle = 0x1.0b4611a6p-34, half_pi_low = 0x1.3198a2e037073p-69;

/// 1/0! … 1/18!, signed for the series of cosine (even places) and sine (odd ones) by `alternating`.
constexpr std::array<double, 19> inverse_factorials(bool alternating) {
  std::array<double, 19> inverse{1};
  double factorial = 1;
  for (size_t i = 1; i < inverse.size(); ++i) {
    factorial *= static_cast<double>(i);
    inverse[i] = (alternating && i / 2 % 2 == 1 ? -1 : 1) / factorial;
  }
  return inverse;
}
constexpr auto exponential_terms = inverse_factorials(false), turning_terms = inverse_factorials(true);

constexpr std::array<double, 11> odd_inverses{1,        1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9, 1.0 / 11,
                                              1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};

}  // namespace

double exponential(double x) {
  if (std::isnan(x)) return x;
  if (x < -708) return 0;
  if (x > 709) return std::numeric_limits<double>::infinity();
  const double n = nearest(x * 0x1.71547652b82fep+0);
  const double r = (x - n * ln2_high) - n * ln2_low;  // at most ln 2 / 2
  double sum = exponential_terms[12];
  for (size_t i = 12; i-- > 0;) sum = sum * r + exponential_terms[i];
  const int whole = static_cast<int>(n);
  return sum * power_of_two(whole / 2) * power_of_two(whole - whole / 2);
}

double logarithm(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m /= 2;
    ++exponent;
  }
  const double s = (m - 1) / (m + 1), square = s * s;  // ln m = 2 artanh s
  double sum = 0;
  for (size_t i = odd_inverses.size(); i-- > 0;) sum = sum * square + odd_inverses[i];
  return exponent * ln2_high + (exponent * ln2_low + 2 * s * sum);
}

double power(double x, double y) { return exponential(y * logarithm(x)); }

SineCosine sine_cosine(double x) {
  const double n = nearest(x * 0x1.45f306dc9c883p-1);  // quarter turns
  const double r = ((x - n * half_pi_high) - n * half_pi_middle) - n * half_pi_low;
  const double square = r * r;
  double sine = turning_terms[17], cosine = turning_terms[16];
  for (size_t i = 16; i > 0; i -= 2) {
    sine = sine * square + turning_terms[i - 1];
    cosine = cosine * square + turning_terms[i - 2];
  }
  sine *= r;
  switch (static_cast<int64_t>(n) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace qoq::llama
