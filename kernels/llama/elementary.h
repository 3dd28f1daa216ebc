#pragma once

namespace qoq::llama {

/// Elementary functions from additions, multiplications and divisions alone: what a C library rounds differently from
/// version to version, and with or without fused operations, would change activations and with them packed weights.
/// Relative errors stay below 1e-12, so that a result rounded to fp32 is the nearest or next to it.

/// e^x; 0 below −708, infinity above 709; a NaN stays one.
double exponential(double x);
/// ln x of a positive, normal number.
double logarithm(double x);
/// x^y of a positive, normal x.
double power(double x, double y);

struct SineCosine {
  double sine = 0;
  double cosine = 1;
};
/// Of an angle in radians; the error is absolute, below 1e-12 for |x| ≤ 2^20.
SineCosine sine_cosine(double x);

}  // namespace qoq::llama
