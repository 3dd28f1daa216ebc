#include "kernels/transform/power.h"

#include <cmath>

namespace qoq::transform {

double power(double x, double exponent) {
  if (exponent >= 1) return x;
  double product = 1, root = x, rest = exponent;
  for (int bit = 0; bit < 52 && rest > 0; ++bit) {  // the exponent's binary digits: ½, ¼, …
    root = std::sqrt(root);
    rest *= 2;
    if (rest < 1) continue;
    product *= root;
    rest -= 1;
  }
  return product;
}

}  // namespace qoq::transform
