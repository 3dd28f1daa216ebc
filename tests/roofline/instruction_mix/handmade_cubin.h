#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace qoq::roofline {

/// A cubin of one kernel "k", built by hand, so that the reader is tested where there is no compiler.
struct HandmadeCubin {
  int architecture = 80;
  bool old_abi = false;  ///< flags as CUDA 12 wrote them
  std::vector<std::pair<uint64_t, uint64_t>> code = {};
  int registers = 40, stack = 16;
  uint64_t shared_bytes = 0;

  std::string bytes() const;
};

/// SASS words, without the fields that the reader does not look at.
inline std::pair<uint64_t, uint64_t> word(uint64_t opcode) { return {opcode, 0}; }
/// A branch by a number of instructions, counted from the next one, as sm_80 and as sm_90 encode it.
inline std::pair<uint64_t, uint64_t> branch_sm80(int64_t instructions) {
  return {0x947 | static_cast<uint64_t>(instructions * 16) << 32, 0};
}
inline std::pair<uint64_t, uint64_t> branch_sm90(int64_t instructions) {
  const int64_t words = instructions * 4;  // units of 4 bytes: 8 low bits at 16, the rest from 34 on
  return {0x947 | static_cast<uint64_t>(words & 0xff) << 16 | static_cast<uint64_t>(words >> 8) << 34, 0};
}

}  // namespace qoq::roofline
