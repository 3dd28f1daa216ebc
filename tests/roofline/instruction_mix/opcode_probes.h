#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace qoq::roofline {

/// A source to compile and look into.
struct OpcodeProbe {
  std::string name;                     ///< "ptx integer", "cuda flow", "family gemm/mma w4a8-g128"
  std::string source;                   ///< CUDA C++
  std::vector<std::string> lines = {};  ///< of a PTX section: its lines as sources of their own, for the architectures
                                        ///< that refuse some
};

/// A kernel of these lines of a PTX section.
std::string probe_kernel(std::span<const std::string> lines);

/// The probes of opcode_probes.txt, then kernels of every family. Throws on a file that is not as its head says.
std::vector<OpcodeProbe> read_opcode_probes(const std::filesystem::path& file);
std::vector<OpcodeProbe> family_probes();

}  // namespace qoq::roofline
