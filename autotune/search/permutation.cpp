#include "autotune/search/permutation.h"

#include <bit>

namespace qoq::search {

uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

Permutation::Permutation(uint64_t count, uint64_t seed)
    : count_(count), half_bits_((std::bit_width(count - 1) + 1) / 2) {
  for (std::size_t round = 0; round < keys_.size(); ++round) keys_[round] = mix(seed ^ mix(round));
}

uint64_t Permutation::operator()(uint64_t index) const {
  do {
    index = permute(index);
  } while (index >= count_);  // at most 4·count values: four steps on average
  return index;
}

uint64_t Permutation::permute(uint64_t value) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_;
  uint64_t right = value & mask;
  for (const uint64_t key : keys_) {
    const uint64_t next = left ^ (mix(right ^ key) & mask);
    left = right;
    right = next;
  }
  return left << half_bits_ | right;
}

}  // namespace qoq::search
