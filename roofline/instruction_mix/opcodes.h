#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// How an instruction touches memory, where that matters for bytes.
enum class Access : uint8_t {
  None,
  Shared,          ///< LDS, STS: by width and lane
  SharedMatrix,    ///< LDSM, STSM: by matrices
  Global,          ///< LDG: by width and lane
  GlobalToShared,  ///< LDGSTS: by width and lane, both
  Bulk,            ///< UBLKCP, UTMALDG: as many bytes as a register or a tensor map says
};

/// One row of the opcode table: which instruction an opcode is, where, and on which pipe.
struct Opcode {
  uint16_t code = 0;      ///< low 9 bits of the instruction
  uint8_t form = 0;       ///< bits 9–11, where they tell two instructions apart; 0: any
  std::string_view name;  ///< "IMAD.WIDE"
  Pipe pipe = Pipe::Unknown;
  std::string_view ground;     ///< of the pipe; pipes.txt explains
  uint32_t architectures = 0;  ///< bits, in the order of known_architectures()
  Access access = Access::None;
};

/// The row of an instruction's low 12 bits; nullptr when the table has none.
const Opcode* find_opcode(int architecture, uint16_t low_bits);

/// The whole table.
std::span<const Opcode> opcode_table();

/// The architectures that the table was made for: 80, 86 … 120.
std::span<const int> known_architectures();
bool known_architecture(int architecture);

}  // namespace qoq::roofline
