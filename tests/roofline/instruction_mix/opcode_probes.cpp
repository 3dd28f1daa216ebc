#include "tests/roofline/instruction_mix/opcode_probes.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>

#include "roofline/gpu/gpu.h"
#include "tests/roofline/instruction_mix/sampled_kernels.h"

namespace qoq::roofline {
namespace {

/// The registers that a probe line may name: PTX type, place in the memory they are loaded from and stored to.
struct Register {
  const char* name;
  const char* type;
  int at;
};
constexpr Register kRegisters[] = {
    {"a", "b32", 0},   {"b", "b32", 4},   {"c", "b32", 8},   {"d", "b32", 12},  {"r", "b32", 16},
    {"w", "b32", 20},  {"w0", "b32", 24}, {"w1", "b32", 28}, {"w2", "b32", 32}, {"w3", "b32", 36},
    {"A", "b64", 64},  {"B", "b64", 72},  {"C", "b64", 80},  {"D", "b64", 88},  {"R", "b64", 96},
    {"f", "f32", 128}, {"g", "f32", 132}, {"h", "f32", 136}, {"e", "f32", 140}, {"F", "f64", 160},
    {"G", "f64", 168}, {"H", "f64", 176}, {"E", "f64", 184}, {"s", "b16", 200}, {"t", "b16", 202},
};

/// One line as an asm block: what it names is loaded before and stored after, so that nothing is optimised away.
std::string block(const std::string& line) {
  static const std::regex word(R"([A-Za-z_.:][\w.:]*)");
  std::set<std::string> named;
  for (std::sregex_iterator at(line.begin(), line.end(), word), end; at != end; ++at) named.insert(at->str());
  std::string declared, loads, stores;
  for (const Register& r : kRegisters) {
    if (!named.contains(r.name)) continue;
    declared += fmt::format(" .reg .{} {};", r.type, r.name);
    loads += fmt::format(" ld.volatile.global.{} {}, [m + {}];", r.type, r.name, r.at);
    stores += fmt::format(" st.volatile.global.{} [m + {}], {};", r.type, r.at, r.name);
  }
  return fmt::format(
      "  asm volatile(\"{{ .reg .b64 m, g1; .reg .b32 sm; .reg .pred p, q; mov.b64 m, %0; mov.b64 g1, %1; mov.b32 sm, "
      "%2;{}{} setp.ne.b64 p, m, g1; setp.eq.b64 q, m, g1; {}{} }}\" :: \"l\"(global), \"l\"(generic), \"r\"(shared) : "
      "\"memory\");\n",
      declared, loads, line, stores);
}

OpcodeProbe finish(const std::string& head, const std::vector<std::string>& body) {
  OpcodeProbe probe{head, {}};
  if (head.starts_with("cuda ")) {
    for (const std::string& line : body) probe.source += line + "\n";
    return probe;
  }
  for (const std::string& line : body)
    if (!line.empty()) probe.lines.push_back(line);
  probe.source = probe_kernel(probe.lines);
  return probe;
}

}  // namespace

std::string probe_kernel(std::span<const std::string> lines) {
  std::string source =
      "extern \"C\" __global__ void probe(char* memory, const void* generic) {\n"
      "  __shared__ alignas(128) unsigned long long storage[1024];\n"
      "  const unsigned shared = static_cast<unsigned>(__cvta_generic_to_shared(storage)) + threadIdx.x * 16;\n"
      "  const unsigned long long global = __cvta_generic_to_global(memory + threadIdx.x * 256);\n";
  for (const std::string& line : lines) source += block(line);
  return source + "}\n";
}

std::vector<OpcodeProbe> read_opcode_probes(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<OpcodeProbe> probes;
  std::string head;
  std::vector<std::string> body;
  for (std::string line; std::getline(in, line);) {
    const bool begins = line.starts_with("[ptx ") || line.starts_with("[cuda ");
    if (begins && !head.empty()) probes.push_back(finish(head, body));
    if (begins) head = line.substr(1, line.size() - 2), body.clear();
    if (!begins && !head.empty()) body.push_back(line);
    if (head.empty() && !line.empty() && line[0] != '#')
      throw std::runtime_error(fmt::format("{}: \"{}\" stands before the first section", file.string(), line));
  }
  if (head.empty()) throw std::runtime_error(file.string() + ": no probes");
  probes.push_back(finish(head, body));
  return probes;
}

std::vector<OpcodeProbe> family_probes() {
  // Sources are the same for every GPU; these two between them support all families.
  std::map<std::string, OpcodeProbe> probes;
  for (const char* gpu : {"a100-80", "h200"})
    for (const SampledKernel& kernel : sample_kernels(embedded_gpus().at(gpu).device, 5)) {
      const auto& [family, point, problem] = kernel.variant;
      probes[kernel.name] = {"family " + kernel.name, family->source(point, problem).text};
    }
  std::vector<OpcodeProbe> all;
  for (auto& [name, probe] : probes) all.push_back(std::move(probe));
  return all;
}

}  // namespace qoq::roofline
