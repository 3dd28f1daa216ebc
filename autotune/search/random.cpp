#include "autotune/search/random.h"

#include <array>
#include <bit>

namespace qoq::search {
namespace {

/// Mixes all bits (the finaliser of SplitMix64, Steele et al. 2014).
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// A permutation of 0 … count−1 in constant memory, so that drawing without replacement from a large product needs no
/// list of it: a Feistel network over the next power of four, walked until it lands below `count` (Black and Rogaway,
/// "Ciphers with arbitrary finite domains", 2002).
class Permutation {
 public:
  Permutation(uint64_t count, uint64_t seed) : count_(count), half_bits_((std::bit_width(count - 1) + 1) / 2) {
    for (std::size_t round = 0; round < keys_.size(); ++round) keys_[round] = mix(seed ^ mix(round));
  }

  uint64_t operator()(uint64_t index) const {
    do {
      index = permute(index);
    } while (index >= count_);  // at most 4·count values: four steps on average
    return index;
  }

 private:
  uint64_t permute(uint64_t value) const {
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

  uint64_t count_;
  int half_bits_;
  std::array<uint64_t, 6> keys_{};
};

class Random final : public Strategy {
 public:
  Random(Space space, uint64_t seed) : space_(std::move(space)), order_(space_.combinations(), seed) {}

  std::vector<Point> ask() override {
    std::vector<Point> points;
    while (points.size() < batch_points && next_ < space_.combinations()) {
      if (auto point = space_.at(order_(next_++))) points.push_back(*std::move(point));
    }
    return points;
  }
  void tell(std::span<const Evaluated>) override {}

 private:
  Space space_;
  Permutation order_;
  uint64_t next_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_random(Space space, uint64_t seed) {
  return std::make_unique<Random>(std::move(space), seed);
}

}  // namespace qoq::search
