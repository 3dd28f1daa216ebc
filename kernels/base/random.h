#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace qoq {

/// SplitMix64: eight random bytes a step, the same on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int between(int low, int high) { return low + static_cast<int>(next() % static_cast<uint64_t>(high - low + 1)); }
  float uniform(float low, float high) { return low + (high - low) * static_cast<float>(next() >> 40) * 0x1p-24f; }
  template <class T, class Map>
  std::vector<T> bytes(size_t count, Map map) {
    std::vector<T> values(count);
    for (size_t i = 0; i < count; i += 8) {
      uint64_t eight = next();
      for (size_t j = i; j < count && j < i + 8; ++j, eight >>= 8) values[j] = map(static_cast<uint8_t>(eight));
    }
    return values;
  }

 private:
  uint64_t state_;
};

}  // namespace qoq
