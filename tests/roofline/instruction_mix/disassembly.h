#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qoq::roofline {

/// One line of nvdisasm's output.
struct DisassembledInstruction {
  std::string mnemonic;  ///< "IMMA.16832.S8.S8"
  std::string text;      ///< with its predicate and operands
  uint64_t low = 0;      ///< the first half of its 16 bytes
};

/// Every instruction of a cubin, kernel by kernel, as the vendor's disassembler names them. Throws std::runtime_error
/// when it fails.
std::vector<DisassembledInstruction> disassemble(const std::filesystem::path& nvdisasm, const std::string& cubin);

/// nvdisasm's version, "13.5.37" or as it says.
std::string nvdisasm_version(const std::filesystem::path& nvdisasm);

}  // namespace qoq::roofline
