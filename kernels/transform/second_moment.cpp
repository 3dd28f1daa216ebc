#include "kernels/transform/second_moment.h"

namespace qoq::transform {

void SecondMoment::add(const float* v) {
  for (size_t i = 0; i < size_; ++i) {
    const double factor = v[i];
    for (size_t j = 0; j < size_; ++j) sums_[i * size_ + j] += factor * v[j];
  }
}

double SecondMoment::cost(const float* d) const {
  std::vector<double> products(size_);  // dᵀ·M, columns side by side
  for (size_t i = 0; i < size_; ++i) {
    const double factor = d[i];
    for (size_t j = 0; j < size_; ++j) products[j] += factor * sums_[i * size_ + j];
  }
  double sum = 0;
  for (size_t j = 0; j < size_; ++j) sum += products[j] * d[j];
  return sum;
}

}  // namespace qoq::transform
