#pragma once
#include <cstdint>
#include <vector>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// The 16 bytes of an instruction.
struct Word {
  uint64_t low = 0, high = 0;
};

/// A BRA and the instruction it leads to.
struct Branch {
  int at = 0;
  int64_t target = 0;
};

/// A kernel's instructions with their bytes, for what names alone do not tell.
struct CodeWords {
  int architecture = 0;
  const std::vector<Instruction>& instructions;
  std::vector<Word> words = {};
  std::vector<Branch> branches = {};
  bool resolved = false;  ///< every branch's target is known
};

inline constexpr uint64_t kAlways = 7;  // predicate PT
inline uint64_t guard_of(const Word& word) { return word.low >> 12 & 0xf; }

/// Fills code.loops, main_loop and unresolved_branches.
void find_loops(EntryCode& code, std::vector<Word> words);

/// How often a loop's body runs each time it is entered, where the code itself proves it: one way in, one way out, a
/// register that is set to a constant before, changed by a constant once a trip, and compared with a constant. Nothing
/// where any of that is not seen beyond doubt.
std::optional<int64_t> prove_trips(const CodeWords& code, int begin, int end);

}  // namespace qoq::roofline
