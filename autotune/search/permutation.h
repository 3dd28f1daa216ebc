#pragma once
#include <array>
#include <cstdint>

namespace qoq::search {

/// Mixes all bits (the finaliser of SplitMix64, Steele et al. 2014).
uint64_t mix(uint64_t x);

/// A permutation of 0 … count−1 in constant memory, so that drawing without replacement from a large product needs no
/// list of it: a Feistel network over the next power of four, walked until it lands below `count` (Black and Rogaway,
/// "Ciphers with arbitrary finite domains", 2002). The same on every machine.
class Permutation {
 public:
  Permutation(uint64_t count, uint64_t seed);
  uint64_t operator()(uint64_t index) const;

 private:
  uint64_t permute(uint64_t value) const;

  uint64_t count_;
  int half_bits_;
  std::array<uint64_t, 6> keys_{};
};

}  // namespace qoq::search
