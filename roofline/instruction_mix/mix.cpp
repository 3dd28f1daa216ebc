#include <fmt/format.h>

#include <numeric>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

std::string_view text(Pipe pipe) {
  constexpr std::string_view names[] = {"tensor", "alu",     "fma",     "fma-heavy", "fp16",   "lsu",
                                        "xu",     "uniform", "control", "other",     "unknown"};
  static_assert(std::size(names) == kPipes);
  return names[static_cast<size_t>(pipe)];
}

void Mix::add(const Instruction& instruction) { add(std::span(&instruction, 1)); }

void Mix::add(std::span<const Instruction> instructions) {
  // By opcode first: a name is looked up once for all that bear it.
  std::array<int, 4096> counts{};
  std::vector<const Instruction*> kinds;
  for (const Instruction& one : instructions) {
    ++pipes[static_cast<size_t>(one.pipe)];
    shared_bytes += one.shared_bytes;
    global_bytes += one.global_bytes;
    predicated += one.predicated;
    bulk_copies += one.bulk;
    if (counts[one.opcode & 0xfff]++ == 0) kinds.push_back(&one);
  }
  for (const Instruction* kind : kinds)
    names[kind->name.empty() ? fmt::format("?{:03x}", kind->opcode) : std::string(kind->name)] +=
        counts[kind->opcode & 0xfff];
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

std::optional<PerWeight> per_weight(const Loop& loop, double weights_per_mma) {
  if (loop.mma() == 0 || weights_per_mma <= 0) return std::nullopt;
  const double scale = 32 / (loop.mma() * weights_per_mma);
  const Mix& mix = loop.mix;
  return PerWeight{scale * mix[Pipe::Alu], scale * (mix[Pipe::Fma] + mix[Pipe::FmaHeavy] + mix[Pipe::Fp16]),
                   scale * mix.cuda_core(), scale * mix.issued()};
}

}  // namespace qoq::roofline
