#include "roofline/instruction_mix/instruction_mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"
#include "roofline/instruction_mix/elf.h"
#include "roofline/instruction_mix/opcodes.h"

namespace qoq::roofline {
namespace {

constexpr uint64_t kInstructionBytes = 16;
constexpr uint16_t kBranch = 0x147;
constexpr int64_t kSystemSharedBytes = 1024;  // what sm_90+ cubins add to a kernel's own shared memory

// Attributes of .nv.info: one byte of format, one of name, two of size, then (format 4) that many bytes.
constexpr uint64_t kHasPayload = 4, kRegisterCount = 0x2f, kFrameSize = 0x11, kMinimumStack = 0x12;

constexpr uint64_t kAlways = 7;  // predicate, bits 12–15

/// Bytes from the end of a branch to its target.
int64_t branch_offset(int architecture, uint64_t low) {
  const auto high = static_cast<int32_t>(low >> 32);
  if (architecture < 90) return high & ~3;  // BRA.DIV has two bits of a register below its offset
  return 4 * (int64_t{high >> 2} * 256 + static_cast<int64_t>(low >> 16 & 0xff));
}

/// Width fields, read off nvdisasm's output: bits 9–11 of the second half for LDS and STS, 8–9 for LDSM and STSM.
int shared_bytes(std::string_view name, uint64_t high) {
  constexpr int kLaneBytes[] = {1, 1, 2, 2, 4, 8, 16, 16};
  constexpr int kLanes = 32, kMatrixBytes = 128;
  if (name == "LDS" || name == "STS") return kLanes * kLaneBytes[high >> 9 & 7];
  if (name == "LDSM" || name == "STSM") return kMatrixBytes << (high >> 8 & 3);
  if (name == "LDGSTS") return kLanes * 16;
  return 0;
}

struct Branch {
  int at = 0;
  int64_t offset = 0;
};

/// `ends`: unconditional EXITs. Compilers put seldom-taken code behind them; a branch from there back into the kernel's
/// body is no loop.
void find_loops(EntryCode& code, const std::vector<Branch>& branches, const std::vector<int>& ends) {
  // Every kernel ends in a branch to itself. Where it does not decode as one, no target can be trusted.
  const bool calibrated =
      std::any_of(branches.begin(), branches.end(), [](const Branch& b) { return b.offset == -16; });
  for (const Branch& branch : branches) {
    const int64_t target = branch.at + 1 + branch.offset / 16;
    if (!calibrated || branch.offset % 16 != 0 || target < 0 ||
        target > static_cast<int64_t>(code.instructions.size())) {
      ++code.unresolved_branches;
      continue;
    }
    if (target >= branch.at) continue;  // forward, or to itself
    if (std::any_of(ends.begin(), ends.end(), [&](int end) { return target <= end && end < branch.at; })) continue;
    Loop loop{static_cast<int>(target), branch.at, {}};
    for (int i = loop.begin; i <= loop.end; ++i) loop.mix.add(code.instructions[static_cast<size_t>(i)]);
    code.loops.push_back(std::move(loop));
  }
  std::sort(code.loops.begin(), code.loops.end(),
            [](const Loop& a, const Loop& b) { return a.begin != b.begin ? a.begin < b.begin : a.end > b.end; });
  for (size_t i = 0; i < code.loops.size(); ++i) {
    const Loop& loop = code.loops[i];
    if (loop.mma() == 0) continue;
    const Loop* best = code.main();
    if (!best || loop.mma() > best->mma() ||
        (loop.mma() == best->mma() && loop.end - loop.begin < best->end - best->begin))
      code.main_loop = i;
  }
}

EntryCode read_entry(int architecture, std::string_view name, std::span<const std::byte> text) {
  EntryCode code;
  code.name = name;
  code.architecture = architecture;
  if (text.size() % kInstructionBytes != 0)
    bad_input("cubin: the code of {} is {} bytes, not whole instructions of 16", name, text.size());
  std::vector<Branch> branches;
  std::vector<int> ends;
  for (uint64_t at = 0; at < text.size(); at += kInstructionBytes) {
    const uint64_t low = read_number(text, at, 8);
    const Instruction instruction = decode(architecture, low, read_number(text, at + 8, 8));
    if ((instruction.opcode & 0x1ff) == kBranch)
      branches.push_back({static_cast<int>(code.instructions.size()), branch_offset(architecture, low)});
    if (instruction.name == "EXIT" && (low >> 12 & 0xf) == kAlways)
      ends.push_back(static_cast<int>(code.instructions.size()));
    code.instructions.push_back(instruction);
    code.mix.add(instruction);
  }
  find_loops(code, branches, ends);
  return code;
}

EntryCode* find(std::vector<EntryCode>& entries, std::string_view name) {
  for (EntryCode& entry : entries)
    if (entry.name == name) return &entry;
  return nullptr;
}

void read_attributes(const Elf& elf, std::span<const std::byte> info, std::vector<EntryCode>& entries) {
  for (uint64_t at = 0; at + 4 <= info.size();) {
    const uint64_t format = read_number(info, at, 1), name = read_number(info, at + 1, 1);
    const uint64_t size = read_number(info, at + 2, 2);
    at += 4;
    if (format != kHasPayload) continue;
    if (size == 8) {
      const uint64_t value = read_number(info, at + 4, 4);
      if (EntryCode* entry = find(entries, elf.symbol(read_number(info, at, 4)))) {
        if (name == kRegisterCount) entry->registers = static_cast<int>(value);
        if (name == kFrameSize || name == kMinimumStack)
          entry->stack_bytes = std::max(entry->stack_bytes, static_cast<int64_t>(value));
      }
    }
    at += size;
  }
}

}  // namespace

std::string_view text(Pipe pipe) {
  constexpr std::string_view names[] = {"tensor", "alu",     "fma",     "fma-heavy", "fp16",   "lsu",
                                        "xu",     "uniform", "control", "other",     "unknown"};
  static_assert(std::size(names) == kPipes);
  return names[static_cast<size_t>(pipe)];
}

void Mix::add(const Instruction& instruction) {
  ++pipes[static_cast<size_t>(instruction.pipe)];
  shared_bytes += instruction.shared_bytes;
  const auto known = names.find(instruction.name);
  if (known != names.end() && !instruction.name.empty())
    ++known->second;
  else
    ++names[instruction.name.empty() ? fmt::format("?{:03x}", instruction.opcode) : std::string(instruction.name)];
}

int Mix::named(std::string_view name) const {
  const auto found = names.find(name);
  return found == names.end() ? 0 : found->second;
}

int Mix::total() const { return std::accumulate(pipes.begin(), pipes.end(), 0); }
int Mix::issued() const { return total() - named("NOP"); }
int Mix::cuda_core() const {
  const Mix& mix = *this;
  return mix[Pipe::Alu] + mix[Pipe::Fma] + mix[Pipe::FmaHeavy] + mix[Pipe::Fp16] + mix[Pipe::Xu];
}

Instruction decode(int architecture, uint64_t low, uint64_t high) {
  const auto opcode = static_cast<uint16_t>(low & 0xfff);
  const Opcode* row = find_opcode(architecture, opcode);
  if (!row) return {opcode, {}, Pipe::Unknown, 0};
  return {opcode, row->name, row->pipe, shared_bytes(row->name, high)};
}

std::vector<EntryCode> read_cubin(std::span<const std::byte> cubin) {
  const Elf elf(cubin);
  if (!known_architecture(elf.architecture()))
    bad_input("cubin: no opcode table for sm_{}; there are tables for sm_80 to sm_120", elf.architecture());
  constexpr std::string_view kText = ".text.", kShared = ".nv.shared.", kInfo = ".nv.info";
  std::vector<EntryCode> entries;
  for (const auto& section : elf.sections())
    if (section.name.starts_with(kText))
      entries.push_back(read_entry(elf.architecture(), section.name.substr(kText.size()), section.data));
  for (const auto& section : elf.sections()) {
    if (section.name == kInfo) read_attributes(elf, section.data, entries);
    if (!section.name.starts_with(kShared)) continue;
    if (EntryCode* entry = find(entries, section.name.substr(kShared.size()))) {
      constexpr uint64_t kMost = 1 << 20;  // no SM has more; a lying header must not overflow sums
      entry->static_shared_bytes = static_cast<int64_t>(std::min(section.size, kMost));
      if (elf.architecture() >= 90)
        entry->static_shared_bytes = std::max<int64_t>(0, entry->static_shared_bytes - kSystemSharedBytes);
    }
  }
  if (entries.empty()) bad_input("cubin: it holds no kernel");
  return entries;
}

std::optional<PerWeight> per_weight(const Loop& loop, double weights_per_mma) {
  if (loop.mma() == 0 || weights_per_mma <= 0) return std::nullopt;
  const double scale = 32 / (loop.mma() * weights_per_mma);
  const Mix& mix = loop.mix;
  return PerWeight{scale * mix[Pipe::Alu], scale * (mix[Pipe::Fma] + mix[Pipe::FmaHeavy] + mix[Pipe::Fp16]),
                   scale * mix.cuda_core(), scale * mix.issued()};
}

std::string describe(const EntryCode& code) {
  const auto line = [](const Mix& mix) {
    std::string text_line;
    for (int i = 0; i < kPipes; ++i)
      if (const int count = mix.pipes[static_cast<size_t>(i)])
        text_line += fmt::format(" {}={}", text(static_cast<Pipe>(i)), count);
    std::vector<std::pair<int, std::string>> by_count;
    for (const auto& [name, count] : mix.names) by_count.emplace_back(-count, name);
    std::sort(by_count.begin(), by_count.end());
    text_line += "\n   ";
    for (const auto& [count, name] : by_count) text_line += fmt::format(" {}={}", name, -count);
    return text_line + "\n";
  };
  std::string out = fmt::format(
      "{}: sm_{}, {} registers, {} B static shared, {} B stack, {} instructions, {} unknown\n", code.name,
      code.architecture, code.registers, code.static_shared_bytes, code.stack_bytes, code.mix.total(), code.unknown());
  if (code.unresolved_branches)
    out += fmt::format("  {} branches not decoded: loops may be missing\n", code.unresolved_branches);
  if (const Loop* loop = code.main())
    out +=
        fmt::format("  main loop [{}, {}] of {} loops:{}", loop->begin, loop->end, code.loops.size(), line(loop->mix));
  else
    out += fmt::format("  no loop with MMAs ({} loops):{}", code.loops.size(), line(code.mix));
  return out;
}

}  // namespace qoq::roofline
