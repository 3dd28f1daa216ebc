#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace qoq::roofline {

/// One line of nvdisasm's output.
struct DisassembledInstruction {
  std::string mnemonic;        ///< "IMMA.16832.S8.S8"
  std::string text;            ///< with its predicate and operands
  uint64_t low = 0, high = 0;  ///< its 16 bytes
};

/// Every instruction of a cubin, kernel by kernel, as the vendor's disassembler names them. Throws std::runtime_error
/// when it fails.
std::vector<DisassembledInstruction> disassemble(const std::filesystem::path& nvdisasm, const std::string& cubin);

/// The same of bare words, each 16 bytes, as code of an architecture ("sm_90a"); those that are no instruction there
/// are left out.
std::vector<DisassembledInstruction> disassemble_words(const std::filesystem::path& nvdisasm,
                                                       const std::string& architecture,
                                                       std::vector<std::pair<uint64_t, uint64_t>> words);

/// nvdisasm's version, "13.5.37" or as it says.
std::string nvdisasm_version(const std::filesystem::path& nvdisasm);

}  // namespace qoq::roofline
