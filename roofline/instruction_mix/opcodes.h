#pragma once
#include <cstdint>
#include <string_view>

#include "roofline/instruction_mix/instruction_mix.h"

namespace qoq::roofline {

/// One row of the opcode table: which instruction an opcode is on a range of architectures, and its pipe.
struct Opcode {
  uint16_t code;  ///< low 9 bits of the instruction
  std::string_view name;
  Pipe pipe;
  int from = 80, to = 120;  ///< compute capabilities, both included
  uint8_t form = 0;         ///< bits 9–11, where they tell two instructions apart; 0: any
};

/// The row of an instruction's low 12 bits; nullptr when the table has none.
const Opcode* find_opcode(int architecture, uint16_t low_bits);

/// Whether the table was made for this architecture.
bool known_architecture(int architecture);

}  // namespace qoq::roofline
