#include "roofline/instruction_mix/instruction_mix.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "kernels/base/error.h"
#include "roofline/instruction_mix/code_words.h"
#include "roofline/instruction_mix/elf.h"
#include "roofline/instruction_mix/opcodes.h"

namespace qoq::roofline {
namespace {

constexpr uint64_t kInstructionBytes = 16;
constexpr int64_t kSystemSharedBytes = 1024;  // what sm_90+ cubins add to a kernel's own shared memory

// Attributes of .nv.info: one byte of format, one of name, two of size, then (format 4) that many bytes.
constexpr uint64_t kHasPayload = 4, kRegisterCount = 0x2f, kFrameSize = 0x11, kMinimumStack = 0x12;

/// Bytes of a full warp's access, 0 where the width is none that the vendor's disassembler knows. Width fields, read
/// off its output: bits 9–11 of the second half for loads and stores (and LDGSTS up to sm_90), 10–11 for LDGSTS from
/// sm_100 on, 8–9 for LDSM and STSM.
int access_bytes(int architecture, Access access, uint64_t high) {
  constexpr int kLaneBytes[] = {1, 1, 2, 2, 4, 8, 16, 0}, kCopyBytes[] = {4, 8, 16, 0};
  constexpr int kLanes = 32, kMatrixBytes = 128;
  if (access == Access::None || access == Access::Bulk) return 0;
  if (access == Access::SharedMatrix) return kMatrixBytes << (high >> 8 & 3);
  if (access == Access::GlobalToShared && architecture >= 100) return kLanes * kCopyBytes[high >> 10 & 3];
  return kLanes * kLaneBytes[high >> 9 & 7];
}

EntryCode read_entry(int architecture, std::string_view name, std::span<const std::byte> text) {
  EntryCode code;
  code.name = name;
  code.architecture = architecture;
  if (text.size() % kInstructionBytes != 0)
    bad_input("cubin: the code of {} is {} bytes, not whole instructions of 16", name, text.size());
  std::vector<Word> words;
  words.reserve(text.size() / kInstructionBytes);
  code.instructions.reserve(words.capacity());
  for (uint64_t at = 0; at < text.size(); at += kInstructionBytes) {
    words.push_back({read_number(text, at, 8), read_number(text, at + 8, 8)});
    code.instructions.push_back(decode(architecture, words.back().low, words.back().high));
  }
  code.mix.add(code.instructions);
  find_loops(code, std::move(words));
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

Instruction decode(int architecture, uint64_t low, uint64_t high) {
  const auto opcode = static_cast<uint16_t>(low & 0xfff);
  const bool predicated = guard_of({low, high}) != kAlways;
  const Opcode* row = find_opcode(architecture, opcode);
  if (!row) return {.opcode = opcode, .name = {}, .predicated = predicated};
  const int bytes = access_bytes(architecture, row->access, high);
  return {.opcode = opcode,
          .name = row->name,
          .pipe = row->pipe,
          .shared_bytes = row->access == Access::Global ? 0 : bytes,
          .global_bytes = row->access == Access::Global || row->access == Access::GlobalToShared ? bytes : 0,
          .predicated = predicated,
          .bulk = row->access == Access::Bulk};
}

std::vector<EntryCode> read_cubin(std::span<const std::byte> cubin) {
  const Elf elf(cubin);
  if (!known_architecture(elf.architecture()))
    bad_input("cubin: no opcode table for sm_{}; there are tables for sm_{}", elf.architecture(),
              fmt::join(known_architectures(), ", "));
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

CubinReading try_read_cubin(std::span<const std::byte> cubin) {
  try {
    return {read_cubin(cubin), {}};
  } catch (const Error& e) {
    return {{}, e.what()};
  }
}

}  // namespace qoq::roofline
