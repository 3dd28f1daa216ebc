// The opcode table and the decoded widths against the vendor's disassembler, where that is installed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kernels/base/file.h"
#include "roofline/gpu/gpu.h"
#include "roofline/instruction_mix/instruction_mix.h"
#include "tests/roofline/instruction_mix/disassembly.h"
#include "tests/roofline/instruction_mix/opcode_table.h"
#include "tests/roofline/instruction_mix/sampled_kernels.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

/// "IMAD.WIDE" agrees with "IMAD.WIDE.U32", "HFMA2.MMA" with "HFMA2.MMA", "CALL.REL" with "CALL.REL.NOINC".
bool agrees(std::string_view ours, std::string_view theirs) {
  const auto base = [](std::string_view name) { return name.substr(0, name.find('.')); };
  const size_t dot = ours.find('.');
  return base(ours) == base(theirs) &&
         (dot == std::string_view::npos || theirs.find(ours.substr(dot)) != std::string_view::npos);
}

/// Bytes a lane moves, by the mnemonic's suffix.
int lane_bytes(std::string_view mnemonic) {
  const auto has = [&](std::string_view suffix) {
    const size_t at = mnemonic.find(suffix);
    return at != std::string_view::npos &&
           (at + suffix.size() == mnemonic.size() || mnemonic[at + suffix.size()] == '.');
  };
  if (has(".256")) return 32;
  if (has(".128")) return 16;
  if (has(".64")) return 8;
  if (has(".U16") || has(".S16")) return 2;
  return has(".U8") || has(".S8") ? 1 : 4;
}

void expect_same(const EntryCode& code, const std::vector<DisassembledInstruction>& theirs, const std::string& where) {
  ASSERT_EQ(theirs.size(), code.instructions.size()) << where;
  for (size_t i = 0; i < theirs.size(); ++i) {
    const Instruction& ours = code.instructions[i];
    EXPECT_TRUE(agrees(ours.name, theirs[i].mnemonic))
        << where << " " << i << ": '" << ours.name << "' is " << theirs[i].text;
    EXPECT_EQ(ours.predicated, theirs[i].text.starts_with("@")) << where << " " << theirs[i].text;
    const int bytes = 32 * lane_bytes(theirs[i].mnemonic);
    if (ours.name == "LDS" || ours.name == "STS" || ours.name == "LDGSTS") {
      EXPECT_EQ(ours.shared_bytes, bytes) << where << " " << theirs[i].text;
    }
    if (ours.name == "LDG" || ours.name == "LDGSTS") {
      EXPECT_EQ(ours.global_bytes, bytes) << where << " " << theirs[i].text;
    }
  }
}

class Nvdisasm : public testing::TestWithParam<const char*> {};

TEST_P(Nvdisasm, AgreesOnEveryInstruction) {
  const auto nvdisasm = find_nvdisasm();
  if (nvdisasm.empty()) GTEST_SKIP() << "nvdisasm is not here: the table's names are not checked against the vendor's";
  const Gpu gpu = embedded_gpus().at(GetParam());
  const std::string architecture = gpu.device.architecture();
  std::vector<std::pair<std::string, std::string>> sources = {{"vocabulary", vocabulary_source()}};
  for (const SampledKernel& kernel : sample_kernels(gpu.device, 77)) {
    const auto& [family, point, problem] = kernel.variant;
    sources.emplace_back(kernel.name, family->source(point, problem).text);
  }
  int instructions = 0;
  for (const auto& [name, source] : sources) {
    const auto cubin = compile_probe(source, architecture);
    if (!cubin) GTEST_SKIP() << "NVRTC is not here: there is nothing to disassemble";
    const auto entries = read_cubin(std::as_bytes(std::span(*cubin)));
    ASSERT_EQ(entries.size(), 1u) << name;
    expect_same(entries[0], disassemble(nvdisasm, *cubin), architecture + " " + name);
    instructions += entries[0].mix.total();
  }
  fmt::print("{}: {} instructions of {} kernels\n", architecture, instructions, sources.size());
}

INSTANTIATE_TEST_SUITE_P(Architectures, Nvdisasm, testing::Values("a100-80", "a10", "l40s", "h200", "b200", "rtx5090"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(OpcodeTable, IsWhatTheProbesGiveAgain) {
  const auto nvdisasm = find_nvdisasm();
  if (nvdisasm.empty()) GTEST_SKIP() << "nvdisasm is not here: the opcode table is not made again";
  const std::string kept = read_file(QOQ_SOURCE_DIR "/roofline/instruction_mix/opcode_table.inc");
  const std::string here = fmt::format("Compiled by NVRTC {},", nvrtc_version());
  if (kept.find(here) == std::string::npos)
    GTEST_SKIP() << "the opcode table was made with another NVRTC than " << nvrtc_version()
                 << ", which may compile other opcodes";
  const RegeneratedTable again = regenerate_opcode_table(nvdisasm);
  const auto rows = [](const std::string& text) { return text.substr(text.find('\n')); };
  EXPECT_EQ(rows(again.text), rows(kept)) << "run tools/regenerate_opcodes";
}

}  // namespace
}  // namespace qoq::roofline
