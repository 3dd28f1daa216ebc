#include "roofline/instruction_mix/elf.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace qoq::roofline {
namespace {

constexpr uint64_t kHeaderBytes = 64, kSectionBytes = 64, kSymbolBytes = 24;
constexpr uint32_t kSymbolTable = 2, kNoBits = 8;
constexpr uint64_t kMachineCuda = 190;

std::span<const std::byte> piece(std::span<const std::byte> bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset)
    bad_input("cubin: {} bytes at offset {} lie outside its {} bytes; it is cut short or damaged", size, offset,
              bytes.size());
  return bytes.subspan(offset, size);
}

}  // namespace

uint64_t read_number(std::span<const std::byte> bytes, uint64_t offset, int width) {
  uint64_t value = 0;
  const auto from = piece(bytes, offset, static_cast<uint64_t>(width));
  for (int i = width - 1; i >= 0; --i) value = value << 8 | std::to_integer<uint64_t>(from[static_cast<size_t>(i)]);
  return value;
}

Elf::Elf(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes || read_number(bytes, 0, 4) != 0x464c457f)
    bad_input("not a cubin: {} bytes that do not start as an ELF file", bytes.size());
  if (read_number(bytes, 4, 1) != 2 || read_number(bytes, 5, 1) != 1 || read_number(bytes, 18, 2) != kMachineCuda)
    bad_input("not a cubin: an ELF file, but not 64-bit little-endian CUDA code");
  // The SM lies in the flags' low byte up to ABI version 7 (CUDA 12), in the next byte from version 8 on.
  const uint64_t abi = read_number(bytes, 8, 1), flags = read_number(bytes, 48, 4);
  architecture_ = static_cast<int>(abi >= 8 ? flags >> 8 & 0xff : flags & 0xff);

  const uint64_t table = read_number(bytes, 40, 8), count = read_number(bytes, 60, 2),
                 names = read_number(bytes, 62, 2);
  if (read_number(bytes, 58, 2) != kSectionBytes || names >= count)
    bad_input("cubin: its section table is damaged ({} sections, names in number {})", count, names);
  const auto headers = piece(bytes, table, count * kSectionBytes);
  // Nothing of the program headers is read, but they end a whole file: without them it was cut short.
  piece(bytes, read_number(bytes, 32, 8), read_number(bytes, 54, 2) * read_number(bytes, 56, 2));
  std::vector<uint64_t> name_offsets;
  uint64_t symbol_section = count;
  for (uint64_t i = 0; i < count; ++i) {
    const auto header = headers.subspan(i * kSectionBytes, kSectionBytes);
    const uint64_t type = read_number(header, 4, 4);
    Section section{{}, static_cast<uint32_t>(read_number(header, 40, 4)), read_number(header, 32, 8), {}};
    if (type != kNoBits && type != 0) section.data = piece(bytes, read_number(header, 24, 8), section.size);
    if (type == kSymbolTable) symbol_section = i;
    name_offsets.push_back(read_number(header, 0, 4));
    sections_.push_back(section);
  }
  for (uint64_t i = 0; i < count; ++i) sections_[i].name = text_at(sections_[names].data, name_offsets[i]);
  if (symbol_section == count) return;
  symbols_ = sections_[symbol_section].data;
  if (sections_[symbol_section].link >= count) bad_input("cubin: its symbol table names no section of texts");
  symbol_names_ = sections_[sections_[symbol_section].link].data;
}

std::string_view Elf::symbol(uint64_t index) const {
  if (index >= symbols_.size() / kSymbolBytes) return {};
  return text_at(symbol_names_, read_number(symbols_, index * kSymbolBytes, 4));
}

std::string_view Elf::text_at(std::span<const std::byte> table, uint64_t offset) const {
  const auto rest = piece(table, offset, table.size() - std::min<uint64_t>(offset, table.size()));
  const auto end = std::find(rest.begin(), rest.end(), std::byte{0});
  if (end == rest.end()) bad_input("cubin: a name in its tables does not end");
  return {reinterpret_cast<const char*>(rest.data()), static_cast<size_t>(end - rest.begin())};
}

}  // namespace qoq::roofline
