#include "tests/roofline/instruction_mix/opcode_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "roofline/instruction_mix/elf.h"
#include "tests/roofline/instruction_mix/disassembly.h"
#include "tests/roofline/probe.h"

namespace qoq::roofline {
namespace {

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

int number_of(const std::string& architecture) { return std::stoi(architecture.substr(3)); }

constexpr size_t kSamples = 16;  // of an opcode: other bits may tell mnemonics apart

/// Compiles for one architecture and notes what came out.
struct Look {
  const std::string& architecture;
  Sightings& seen;

  bool at(const std::string& source) const {
    std::optional<std::string> cubin;
    try {
      cubin = compile_probe(source, architecture);
    } catch (const std::runtime_error&) {
      return false;  // not on this architecture
    }
    if (!cubin) throw std::runtime_error("NVRTC is not here: there is nothing to look at");
    const Elf elf(std::as_bytes(std::span(*cubin)));
    for (const Elf::Section& section : elf.sections()) {
      if (!section.name.starts_with(".text.")) continue;
      for (size_t offset = 0; offset + 16 <= section.data.size(); offset += 16) {
        const uint64_t low = read_number(section.data, offset, 8);
        auto& words = seen.words[{number_of(architecture), static_cast<uint16_t>(low & 0xfff)}];
        if (words.size() < kSamples) words.emplace(low, read_number(section.data, offset + 8, 8));
      }
    }
    return true;
  }

  /// Halves what is refused until the lines that are stand alone.
  void at_lines(std::span<const std::string> lines, std::set<std::string>& taken) const {
    if (at(probe_kernel(lines))) {
      taken.insert(lines.begin(), lines.end());
    } else if (lines.size() == 1) {
      seen.refused.push_back(architecture + ": " + lines[0]);
    } else {
      at_lines(lines.first(lines.size() / 2), taken);
      at_lines(lines.subspan(lines.size() / 2), taken);
    }
  }
};

struct PipeRow {
  std::string name, pipe, ground;
  std::string shown;               ///< the table's name for it
  std::vector<std::string> parts;  ///< of the name: "IMAD", "WIDE"
};

std::vector<PipeRow> read_pipes(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<PipeRow> rows;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    PipeRow row;
    if (!(words >> row.name >> row.pipe >> row.ground))
      throw std::runtime_error(fmt::format("{}: \"{}\" is not NAME PIPE GROUND", file.string(), line));
    std::string as;
    if (!(words >> as >> row.shown)) row.shown = row.name;
    row.parts = split(row.name, '.');
    rows.push_back(row);
  }
  return rows;
}

/// The row with the most suffixes that the mnemonic bears.
const PipeRow& row_of(const std::vector<PipeRow>& rows, const std::string& mnemonic) {
  const auto parts = split(mnemonic, '.');
  const PipeRow* best = nullptr;
  for (const PipeRow& row : rows) {
    const bool covers = row.parts[0] == parts[0] && std::ranges::all_of(row.parts, [&](const std::string& part) {
                          return std::ranges::find(parts, part) != parts.end();
                        });
    if (covers && (!best || row.parts.size() > best->parts.size())) best = &row;
  }
  if (!best) throw std::runtime_error(fmt::format("{} has no pipe: give it a line in pipes.txt", mnemonic));
  return *best;
}

/// Names an architecture's own instructions.
void name_words(const std::string& architecture, const std::filesystem::path& nvdisasm, Sightings& seen) {
  const int number = number_of(architecture);
  std::vector<std::pair<uint64_t, uint64_t>> words;
  for (const auto& [key, samples] : seen.words)
    if (key.first == number) words.insert(words.end(), samples.begin(), samples.end());
  const size_t count = words.size();
  const auto named = disassemble_words(nvdisasm, architecture, std::move(words));
  if (named.size() != count)
    throw std::runtime_error(fmt::format("nvdisasm refuses {} instructions of {}", count - named.size(), architecture));
  for (const DisassembledInstruction& one : named)
    seen.mnemonics[{number, static_cast<uint16_t>(one.low & 0xfff)}].insert(one.mnemonic);
}

/// What compilers choose on their own, by no PTX of that name: which of the others' such opcodes this architecture has.
void name_others(const std::string& architecture, const std::filesystem::path& nvdisasm,
                 const std::vector<PipeRow>& rows, Sightings& seen) {
  const int number = number_of(architecture);
  std::set<int> codes;
  for (const auto& [key, samples] : seen.words)
    if (key.first == number) codes.insert(key.second & 0x1ff);
  std::vector<std::pair<uint64_t, uint64_t>> words;
  for (const auto& [key, samples] : seen.words) {
    if (codes.contains(key.second & 0x1ff)) continue;
    const std::string& pipe = row_of(rows, *seen.mnemonics.at(key).begin()).pipe;
    if (pipe == "tensor" || pipe == "lsu" || pipe == "control" || pipe == "other") continue;
    codes.insert(key.second & 0x1ff);
    words.push_back(*samples.begin());
  }
  for (const DisassembledInstruction& one : disassemble_words(nvdisasm, architecture, std::move(words)))
    seen.mnemonics[{number, static_cast<uint16_t>(one.low & 0xfff)}].insert(one.mnemonic);
}

std::string enumerator(const std::string& pipe) {  // "fma-heavy" is FmaHeavy
  std::string out;
  bool begins = true;
  for (const char c : pipe) {
    if (c != '-') out += static_cast<char>(begins ? c - 'a' + 'A' : c);
    begins = c == '-';
  }
  return out;
}

}  // namespace

const std::vector<std::string>& table_architectures() {
  static const std::vector<std::string> all = {"sm_80",  "sm_86",   "sm_87",   "sm_89",
                                               "sm_90a", "sm_100a", "sm_103a", "sm_120a"};
  return all;
}

RegeneratedTable regenerate_opcode_table(const std::filesystem::path& nvdisasm) {
  auto probes = read_opcode_probes(QOQ_SOURCE_DIR "/tests/roofline/instruction_mix/opcode_probes.txt");
  for (OpcodeProbe& probe : family_probes()) probes.push_back(std::move(probe));
  const std::filesystem::path pipes = QOQ_SOURCE_DIR "/roofline/instruction_mix/pipes.txt";
  const Sightings seen = look_at(probes, pipes, nvdisasm);
  const std::string made_by =
      fmt::format("Compiled by NVRTC {}, named by nvdisasm {}.", nvrtc_version(), nvdisasm_version(nvdisasm));
  return {render_opcode_table(seen, pipes, made_by), seen.refused};
}

Sightings look_at(const std::vector<OpcodeProbe>& probes, const std::filesystem::path& pipes,
                  const std::filesystem::path& nvdisasm) {
  Sightings seen;
  std::set<std::string> taken;  // names and lines that some architecture compiled
  for (const std::string& architecture : table_architectures()) {
    const Look look{architecture, seen};
    for (const OpcodeProbe& probe : probes) {
      if (!probe.lines.empty()) {
        look.at_lines(probe.lines, taken);
      } else if (look.at(probe.source)) {
        taken.insert(probe.name);
      } else {
        seen.refused.push_back(architecture + ": " + probe.name);
      }
    }
  }
  for (const std::string& architecture : table_architectures()) name_words(architecture, nvdisasm, seen);
  const auto rows = read_pipes(pipes);
  for (const std::string& architecture : table_architectures()) name_others(architecture, nvdisasm, rows, seen);
  for (const OpcodeProbe& probe : probes) {
    if (probe.lines.empty() && !taken.contains(probe.name)) compile_probe(probe.source, "sm_90a");  // throws its log
    for (const std::string& line : probe.lines)
      if (!taken.contains(line))
        throw std::runtime_error(fmt::format("no architecture takes this line of [{}]:\n{}", probe.name, line));
  }
  return seen;
}

std::string render_opcode_table(const Sightings& sightings, const std::filesystem::path& pipes,
                                const std::string& made_by) {
  const auto rows = read_pipes(pipes);
  // Which name each opcode has, form by form; forms of one name become one row.
  std::map<std::tuple<int, uint16_t>, std::map<int, std::string>> forms;  // architecture, code → form → name
  for (const auto& [key, mnemonics] : sightings.mnemonics) {
    const auto [architecture, low] = key;
    std::set<std::string> names;
    for (const std::string& mnemonic : mnemonics) names.insert(row_of(rows, mnemonic).shown);
    if (names.size() != 1)
      throw std::runtime_error(fmt::format("sm_{}: opcode {:03x} is {}: one opcode needs one name", architecture, low,
                                           fmt::join(names, ", ")));
    forms[{architecture, low & 0x1ff}][low >> 9] = *names.begin();
  }
  // code, name, form (0: any) → architectures
  std::map<std::tuple<uint16_t, std::string, int>, std::vector<int>> table;
  for (const auto& [key, by_form] : forms) {
    std::set<std::string> names;
    for (const auto& [form, name] : by_form) names.insert(name);
    for (const auto& [form, name] : by_form) {
      auto& architectures = table[{static_cast<uint16_t>(std::get<1>(key)), name, names.size() == 1 ? 0 : form}];
      if (architectures.empty() || architectures.back() != std::get<0>(key)) architectures.push_back(std::get<0>(key));
    }
  }
  std::string out = "// Made by tools/regenerate_opcodes; do not edit. " + made_by + "\n";
  out +=
      "// Names and pipes with their grounds: pipes.txt. What was compiled: opcode_probes.txt and kernels of every "
      "family.\n";
  std::set<std::string> written;
  for (const PipeRow& row : rows) {
    if (!written.insert(row.shown).second) continue;
    for (const auto& [key, architectures] : table) {
      const auto& [code, name, form] = key;
      if (name == row.shown)
        out += fmt::format("{{0x{:03x}, {}, \"{}\", {}, \"{}\", on({})}},\n", code, form, name, enumerator(row.pipe),
                           row.ground, fmt::join(architectures, ", "));
    }
  }
  return out;
}

}  // namespace qoq::roofline
