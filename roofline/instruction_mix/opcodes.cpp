#include "roofline/instruction_mix/opcodes.h"

#include <algorithm>
#include <array>

namespace qoq::roofline {
namespace {

using enum Pipe;

constexpr std::array kArchitectures = {80, 86, 87, 89, 90, 100, 103, 120};

template <class... Numbers>
consteval uint32_t on(Numbers... numbers) {
  uint32_t bits = 0;
  for (const int number : {numbers...})
    for (size_t i = 0; i < kArchitectures.size(); ++i) bits |= (kArchitectures[i] == number ? 1u : 0u) << i;
  return bits;
}

constexpr Opcode kOpcodes[] = {
#include "roofline/instruction_mix/opcode_table.inc"
};

Access access_of(std::string_view name) {
  if (name == "LDS" || name == "STS") return Access::Shared;
  if (name == "LDSM" || name == "STSM") return Access::SharedMatrix;
  if (name == "LDG") return Access::Global;
  if (name == "LDGSTS") return Access::GlobalToShared;
  if (name == "UBLKCP" || name == "UTMALDG") return Access::Bulk;
  return Access::None;
}

struct Table {
  std::array<Opcode, std::size(kOpcodes)> rows;
  std::array<std::array<const Opcode*, 4096>, kArchitectures.size()> by_bits{};

  Table() {
    std::copy(std::begin(kOpcodes), std::end(kOpcodes), rows.begin());
    for (Opcode& row : rows) {
      row.access = access_of(row.name);
      for (size_t i = 0; i < kArchitectures.size(); ++i)
        for (unsigned form = 0; form < 8; ++form)
          if ((row.architectures >> i & 1) != 0 && (row.form == 0 || row.form == form))
            by_bits[i][form << 9 | row.code] = &row;
    }
  }
  Table(const Table&) = delete;
};

const Table& table() {
  static const Table made;
  return made;
}

}  // namespace

std::span<const Opcode> opcode_table() { return table().rows; }
std::span<const int> known_architectures() { return kArchitectures; }

bool known_architecture(int architecture) {
  return std::ranges::find(kArchitectures, architecture) != kArchitectures.end();
}

const Opcode* find_opcode(int architecture, uint16_t low_bits) {
  const auto at = std::ranges::find(kArchitectures, architecture);
  if (at == kArchitectures.end()) return nullptr;
  return table().by_bits[static_cast<size_t>(at - kArchitectures.begin())][low_bits & 0xfff];
}

}  // namespace qoq::roofline
