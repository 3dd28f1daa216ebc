#include "tests/roofline/instruction_mix/disassembly.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <stdexcept>

namespace qoq::roofline {
namespace {

struct Output {
  std::string text;
  bool ok = false;
};

Output output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  Output out;
  for (char buffer[65536]; pipe && ::fgets(buffer, sizeof buffer, pipe);) out.text += buffer;
  out.ok = pipe && ::pclose(pipe) == 0;
  return out;
}

/// Bytes in a file of their own, while it lives.
struct TemporaryFile {
  explicit TemporaryFile(const std::string& bytes) {
    static std::atomic<int> count = 0;
    path = std::filesystem::temp_directory_path() / fmt::format("qoq_nvdisasm_{}_{}", ::getpid(), ++count);
    std::ofstream(path, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

uint64_t hex_after(const std::string& line, size_t at) { return std::strtoull(line.c_str() + at, nullptr, 16); }

/// Lines like "  /*0a60*/   @!P0 ISETP.GE.AND P0, PT, R28, UR5, PT ;    /* 0x000000051c007c0c */", each followed by one
/// with the second half.
std::vector<DisassembledInstruction> parse(const std::string& out) {
  std::vector<DisassembledInstruction> found;
  bool second_half = false;
  for (size_t at = 0; at < out.size();) {
    const size_t end = std::min(out.find('\n', at), out.size());
    const std::string line = out.substr(at, end - at);
    at = end + 1;
    const size_t open = line.find_first_not_of(' ');
    const size_t hex = line.rfind("/* 0x");
    if (open == std::string::npos || hex == std::string::npos) continue;
    if (second_half) {
      found.back().high = hex_after(line, hex + 3);
      second_half = false;
      continue;
    }
    const size_t begin = line.find("*/", open);
    if (line.compare(open, 2, "/*") != 0 || begin > hex) continue;
    static const std::regex form(R"(\s*\{?\s*((?:@!?\w+\s+)?([A-Z0-9_.]+)[^;]*).*)");
    std::smatch parts;
    const std::string text = line.substr(begin + 2, hex - begin - 2);
    if (!std::regex_match(text, parts, form)) throw std::runtime_error("nvdisasm's line is not understood: " + line);
    found.push_back({parts[2], parts[1], hex_after(line, hex + 3)});
    second_half = true;
  }
  return found;
}

}  // namespace

std::vector<DisassembledInstruction> disassemble(const std::filesystem::path& nvdisasm, const std::string& cubin) {
  const TemporaryFile file(cubin);
  const Output out = output_of(fmt::format("'{}' -c -ndf -hex '{}' 2>&1", nvdisasm.string(), file.path.string()));
  if (!out.ok) throw std::runtime_error("nvdisasm failed: " + out.text);
  return parse(out.text);
}

std::vector<DisassembledInstruction> disassemble_words(const std::filesystem::path& nvdisasm,
                                                       const std::string& architecture,
                                                       std::vector<std::pair<uint64_t, uint64_t>> words) {
  while (!words.empty()) {
    std::string bytes;
    for (const auto& [low, high] : words)
      for (const uint64_t half : {low, high})
        for (int i = 0; i < 8; ++i) bytes += static_cast<char>(half >> 8 * i);
    const TemporaryFile file(bytes);
    const Output out = output_of(
        fmt::format("'{}' -hex -b SM{} '{}' 2>&1", nvdisasm.string(), architecture.substr(3), file.path.string()));
    if (out.ok) return parse(out.text);
    // It stops at the first word that is none of the architecture's.
    constexpr std::string_view kPlace = "at address 0x";
    const size_t place = out.text.find(kPlace);
    const size_t bad = place == std::string::npos ? words.size() : hex_after(out.text, place + kPlace.size()) / 16;
    if (bad >= words.size()) throw std::runtime_error("nvdisasm failed: " + out.text);
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(bad));
  }
  return {};
}

std::string nvdisasm_version(const std::filesystem::path& nvdisasm) {
  const std::string out = output_of(fmt::format("'{}' --version 2>&1", nvdisasm.string())).text;
  std::smatch parts;
  return std::regex_search(out, parts, std::regex(R"(V(\d+\.\d+\.\d+))")) ? parts[1].str() : out;
}

}  // namespace qoq::roofline
