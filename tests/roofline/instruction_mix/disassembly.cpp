#include "tests/roofline/instruction_mix/disassembly.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <stdexcept>

namespace qoq::roofline {
namespace {

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  for (char buffer[65536]; pipe && ::fgets(buffer, sizeof buffer, pipe);) out += buffer;
  if (!pipe || ::pclose(pipe) != 0) throw std::runtime_error(command + " failed: " + out);
  return out;
}

}  // namespace

std::vector<DisassembledInstruction> disassemble(const std::filesystem::path& nvdisasm, const std::string& cubin) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("qoq_nvdisasm_{}.cubin", ::getpid());
  std::ofstream(file, std::ios::binary) << cubin;
  const std::string out = output_of(fmt::format("'{}' -c -ndf -hex '{}' 2>&1", nvdisasm.string(), file.string()));
  std::filesystem::remove(file);
  std::vector<DisassembledInstruction> found;
  for (size_t at = 0; at < out.size();) {
    const size_t end = std::min(out.find('\n', at), out.size());
    const std::string line = out.substr(at, end - at);
    at = end + 1;
    // "  /*0a60*/   @!P0 ISETP.GE.AND P0, PT, R28, UR5, PT ;    /* 0x000000051c007c0c */"
    const size_t open = line.find_first_not_of(' ');
    const size_t hex = line.rfind("/* 0x");
    if (open == std::string::npos || line.compare(open, 2, "/*") != 0 || hex == std::string::npos || hex < open + 4)
      continue;
    const size_t begin = line.find("*/", open);
    if (begin == std::string::npos || begin > hex) continue;
    static const std::regex form(R"(\s*\{?\s*((?:@!?\w+\s+)?([A-Z0-9_.]+)[^;]*).*)");
    std::smatch parts;
    const std::string text = line.substr(begin + 2, hex - begin - 2);
    if (!std::regex_match(text, parts, form)) throw std::runtime_error("nvdisasm's line is not understood: " + line);
    found.push_back({parts[2], parts[1], std::strtoull(line.c_str() + hex + 3, nullptr, 16)});
  }
  return found;
}

std::string nvdisasm_version(const std::filesystem::path& nvdisasm) {
  const std::string out = output_of(fmt::format("'{}' --version 2>&1", nvdisasm.string()));
  std::smatch parts;
  return std::regex_search(out, parts, std::regex(R"(V(\d+\.\d+\.\d+))")) ? parts[1].str() : out;
}

}  // namespace qoq::roofline
