#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "autotune/search/permutation.h"

namespace qoq::search {

/// Random numbers that are the same on every machine, which the standard library's distributions are not.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(mix(seed)) {}

  uint64_t next() { return mix(state_++); }
  /// 0 … count−1; count below 2^32. No value is favoured by more than 2^-32.
  uint64_t below(uint64_t count) { return ((next() >> 32) * count) >> 32; }
  bool chance(double probability) { return static_cast<double>(next() >> 11) * 0x1p-53 < probability; }

  template <class T>
  void shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace qoq::search
