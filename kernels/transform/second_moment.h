#pragma once
#include <cstddef>
#include <vector>

namespace qoq::transform {

/// Σ v·vᵀ of many vectors of one size: what an error in the other factor of a dot product costs, without the vectors.
/// Sums of doubles in the order of the calls.
class SecondMoment {
 public:
  explicit SecondMoment(int size) : size_(static_cast<size_t>(size)), sums_(size_ * size_) {}
  void add(const float* v);
  /// Σ (d·v)².
  double cost(const float* d) const;

 private:
  size_t size_;
  std::vector<double> sums_;
};

}  // namespace qoq::transform
