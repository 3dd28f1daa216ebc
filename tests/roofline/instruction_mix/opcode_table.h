#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/roofline/instruction_mix/opcode_probes.h"

namespace qoq::roofline {

/// The checked-in table as it would be made now.
struct RegeneratedTable {
  std::string text;
  std::vector<std::string> refused;  ///< Sightings::refused
};
RegeneratedTable regenerate_opcode_table(const std::filesystem::path& nvdisasm);

/// The architectures that the table is made for, as the compiler names them: "sm_80" … "sm_120a".
const std::vector<std::string>& table_architectures();

/// What probes were seen to hold.
struct Sightings {
  /// Of an architecture (80, 86, …) and the low 12 bits of an instruction: some of the instructions that compilers
  /// made.
  std::map<std::pair<int, uint16_t>, std::set<std::pair<uint64_t, uint64_t>>> words;
  /// … and their mnemonics.
  std::map<std::pair<int, uint16_t>, std::set<std::string>> mnemonics;
  std::vector<std::string> refused;  ///< probe lines that an architecture's assembler refused: "sm_80: popc …"
};

/// Compiles every probe for every architecture and has nvdisasm name what came out; then shows it as each
/// architecture's the opcodes that only others' compilers have used: some exist there too. Throws std::runtime_error
/// for a probe line that no architecture takes.
Sightings look_at(const std::vector<OpcodeProbe>& probes, const std::filesystem::path& pipes,
                  const std::filesystem::path& nvdisasm);

/// The table's text: a row for each opcode, its name and pipe from the file of pipes. Throws std::runtime_error when a
/// mnemonic has no pipe there, or two names fall on one opcode.
std::string render_opcode_table(const Sightings& sightings, const std::filesystem::path& pipes,
                                const std::string& made_by);

}  // namespace qoq::roofline
