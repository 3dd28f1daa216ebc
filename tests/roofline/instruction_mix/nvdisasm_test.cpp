// The opcode table against the vendor's disassembler, instruction by instruction, where that is installed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <regex>

#include "kernels/families.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

/// The mnemonics of a cubin's only kernel, in order.
std::vector<std::string> disassemble(const std::filesystem::path& nvdisasm, const std::string& cubin) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("qoq_nvdisasm_{}.cubin", ::getpid());
  std::ofstream(file, std::ios::binary) << cubin;
  FILE* pipe = ::popen(fmt::format("'{}' -c -ndf '{}'", nvdisasm.string(), file.string()).c_str(), "r");
  std::string out;
  for (char buffer[4096]; pipe && ::fgets(buffer, sizeof buffer, pipe);) out += buffer;
  EXPECT_EQ(::pclose(pipe), 0);
  std::filesystem::remove(file);
  static const std::regex line(R"(/\*[0-9a-f]{4,}\*/\s+\{?\s*(?:@!?\w+\s+)?([A-Z0-9_.]+))");
  std::vector<std::string> names;
  for (std::sregex_iterator at(out.begin(), out.end(), line), end; at != end; ++at) names.push_back((*at)[1]);
  return names;
}

/// "IMAD.WIDE" agrees with "IMAD.WIDE.U32", "HFMA2.MMA" with "HFMA2.MMA", "CALL.REL" with "CALL.REL.NOINC".
bool agrees(std::string_view ours, std::string_view theirs) {
  const auto base = [](std::string_view name) { return name.substr(0, name.find('.')); };
  const size_t dot = ours.find('.');
  return base(ours) == base(theirs) &&
         (dot == std::string_view::npos || theirs.find(ours.substr(dot)) != std::string_view::npos);
}

TEST(Nvdisasm, AgreesOnEveryInstruction) {
  const auto nvdisasm = find_nvdisasm();
  if (nvdisasm.empty()) GTEST_SKIP() << "nvdisasm is not here: the table's names are not checked against the vendor's";
  const Family& family = family_named("gemm/mma");
  for (const char* architecture : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"}) {
    std::vector<std::string> sources = {vocabulary_source()};
    for (const char* scheme : {"w4a8-g128", "w4a8-channel", "w8a8"}) {
      const Problem problem = parse_problem(fmt::format("gemm {} m=64 n=4096 k=4096", scheme));
      sources.push_back(family.source(family.published(problem).value(), problem).text);
    }
    for (const std::string& source : sources) {
      const auto cubin = compile_probe(source, architecture);
      if (!cubin) GTEST_SKIP() << "NVRTC is not here: there is nothing to disassemble";
      const EntryCode code = read_cubin(std::as_bytes(std::span(*cubin)))[0];
      const auto names = disassemble(nvdisasm, *cubin);
      ASSERT_EQ(names.size(), code.instructions.size()) << architecture;
      for (size_t i = 0; i < names.size(); ++i)
        EXPECT_TRUE(agrees(code.instructions[i].name, names[i]))
            << architecture << " " << i << ": '" << code.instructions[i].name << "' is " << names[i];
    }
  }
}

}  // namespace
}  // namespace qoq::roofline
