#pragma once

namespace qoq::transform {

/// x^exponent for x ≥ 0 and 0 ≤ exponent ≤ 1, by square roots and products of doubles only: IEEE 754 rounds both
/// exactly, so scales are the same on every machine, which libm's pow does not promise. Good to about 1e-14 relative.
double power(double x, double exponent);

}  // namespace qoq::transform
