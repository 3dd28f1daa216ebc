#include "tests/roofline/instruction_mix/handmade_cubin.h"

namespace qoq::roofline {
namespace {

void put(std::string& out, uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(i < 8 ? value >> 8 * i & 0xff : 0);
}

struct Section {
  std::string name;
  uint32_t type = 1;
  std::string data;
  uint32_t link = 0;
  uint64_t size_without_data = 0;
};

}  // namespace

std::string HandmadeCubin::bytes() const {
  std::string text, info, symbols(24, '\0'), symbol_names("\0k\0", 3);
  for (const auto& [low, high] : code) put(text, low, 8), put(text, high, 8);
  put(symbols, 1, 4), put(symbols, 0, 20);
  for (const auto& [attribute, value] : {std::pair(0x2f, registers), std::pair(0x11, stack)})
    put(info, 4, 1), put(info, static_cast<uint64_t>(attribute), 1), put(info, 8, 2), put(info, 1, 4),
        put(info, static_cast<uint64_t>(value), 4);
  std::vector<Section> sections = {{"", 0, "", 0, 0},
                                   {".shstrtab", 3, "", 0, 0},
                                   {".strtab", 3, symbol_names, 0, 0},
                                   {".symtab", 2, symbols, 2, 0},
                                   {".nv.info", 0x70000000, info, 3, 0},
                                   {".text.k", 1, text, 0, 0},
                                   {".nv.shared.k", 8, "", 0, shared_bytes}};
  std::string names;
  std::vector<uint64_t> name_offsets;
  for (const Section& section : sections) name_offsets.push_back(names.size()), names += section.name + '\0';
  sections[1].data = names;

  std::string body, headers;
  for (size_t i = 0; i < sections.size(); ++i) {
    const Section& s = sections[i];
    put(headers, name_offsets[i], 4), put(headers, s.type, 4), put(headers, 0, 16), put(headers, 64 + body.size(), 8);
    put(headers, s.data.size() + s.size_without_data, 8), put(headers, s.link, 4), put(headers, 0, 20);
    body += s.data;
  }
  std::string out =
      "\x7f"
      "ELF";
  put(out, 2, 1), put(out, 1, 1), put(out, 1, 1), put(out, 0x41, 1), put(out, old_abi ? 7 : 8, 1), put(out, 0, 7);
  put(out, 2, 2), put(out, 190, 2), put(out, 1, 4), put(out, 0, 16), put(out, 64 + body.size(), 8);
  const auto sm = static_cast<uint64_t>(architecture);
  put(out, old_abi ? sm | sm << 16 : sm << 8, 4), put(out, 64, 2), put(out, 0, 4), put(out, 64, 2);
  put(out, sections.size(), 2), put(out, 1, 2);
  return out + body + headers;
}

}  // namespace qoq::roofline
