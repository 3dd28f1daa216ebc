// Makes roofline/instruction_mix/opcode_table.inc anew (tools/regenerate_opcodes runs this).
#include <fmt/format.h>

#include <fstream>

#include "tests/roofline/instruction_mix/opcode_table.h"
#include "tests/roofline/probe.h"

int main() {
  using namespace qoq::roofline;
  const auto nvdisasm = find_nvdisasm();
  if (nvdisasm.empty()) {
    fmt::print(stderr, "nvdisasm is not here; tools/regenerate_opcodes says how to get it\n");
    return 2;
  }
  try {
    const RegeneratedTable table = regenerate_opcode_table(nvdisasm);
    for (const std::string& line : table.refused) fmt::print("not on {}\n", line);
    std::ofstream(QOQ_SOURCE_DIR "/roofline/instruction_mix/opcode_table.inc", std::ios::binary) << table.text;
    fmt::print("roofline/instruction_mix/opcode_table.inc: {} bytes\n", table.text.size());
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
