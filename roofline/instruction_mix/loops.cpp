#include <algorithm>

#include "roofline/instruction_mix/code_words.h"

namespace qoq::roofline {
namespace {

constexpr uint16_t kBranch = 0x147;

/// Bytes from the end of a branch to its target.
int64_t branch_offset(int architecture, uint64_t low) {
  const auto high = static_cast<int32_t>(low >> 32);
  if (architecture < 90) return high & ~3;  // BRA.DIV has two bits of a register below its offset
  return 4 * (int64_t{high >> 2} * 256 + static_cast<int64_t>(low >> 16 & 0xff));
}

/// Reads every branch. Every kernel ends in a branch to itself: where it does not decode as one, no target can be
/// trusted. Returns how many were not read.
int read_branches(int architecture, CodeWords& code) {
  const auto count = static_cast<int64_t>(code.words.size());
  int unresolved = 0;
  bool calibrated = false;
  for (int i = 0; i < count; ++i) {
    if ((code.instructions[static_cast<size_t>(i)].opcode & 0x1ff) != kBranch) continue;
    const Word& word = code.words[static_cast<size_t>(i)];
    const int64_t offset = branch_offset(architecture, word.low), target = i + 1 + offset / 16;
    calibrated |= offset == -16;
    if (offset % 16 == 0 && target >= 0 && target <= count)
      code.branches.push_back({i, target});
    else
      ++unresolved;
  }
  if (!calibrated) unresolved += static_cast<int>(code.branches.size()), code.branches.clear();
  code.resolved = unresolved == 0;
  return unresolved;
}

/// Instructions of a loop that one of its own forward branches leaps over.
int count_conditional(const CodeWords& code, const Loop& loop) {
  std::vector<bool> leapt(static_cast<size_t>(loop.end - loop.begin + 1));
  for (const Branch& branch : code.branches) {
    if (branch.at < loop.begin || branch.at >= loop.end || branch.target <= branch.at) continue;
    for (int64_t i = branch.at + 1; i < std::min<int64_t>(branch.target, loop.end); ++i)
      leapt[static_cast<size_t>(i - loop.begin)] = true;
  }
  return static_cast<int>(std::count(leapt.begin(), leapt.end(), true));
}

}  // namespace

void find_loops(EntryCode& entry, std::vector<Word> words) {
  CodeWords code{entry.architecture, entry.instructions, std::move(words)};
  entry.unresolved_branches = read_branches(entry.architecture, code);
  // Compilers put seldom-taken code behind unconditional EXITs; a branch from there back into the kernel's body is no
  // loop.
  std::vector<int> ends;
  for (size_t i = 0; i < code.words.size(); ++i)
    if (entry.instructions[i].name == "EXIT" && guard_of(code.words[i]) == kAlways) ends.push_back(static_cast<int>(i));
  for (const Branch& branch : code.branches) {
    if (branch.target >= branch.at) continue;  // forward, or to itself
    const auto next_end = std::lower_bound(ends.begin(), ends.end(), branch.target);
    if (next_end != ends.end() && *next_end < branch.at) continue;
    Loop loop{static_cast<int>(branch.target), branch.at, {}};
    loop.mix.add(std::span(entry.instructions)
                     .subspan(static_cast<size_t>(loop.begin), static_cast<size_t>(loop.end - loop.begin + 1)));
    loop.conditional = count_conditional(code, loop);
    loop.trips = prove_trips(code, loop.begin, loop.end);
    entry.loops.push_back(std::move(loop));
  }
  std::sort(entry.loops.begin(), entry.loops.end(),
            [](const Loop& a, const Loop& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
  for (size_t i = 0; i < entry.loops.size(); ++i) {
    const Loop& loop = entry.loops[i];
    if (loop.mma() == 0) continue;
    const Loop* best = entry.main();
    if (!best || loop.mma() > best->mma() ||
        (loop.mma() == best->mma() && loop.end - loop.begin < best->end - best->begin))
      entry.main_loop = i;
  }
}

}  // namespace qoq::roofline
