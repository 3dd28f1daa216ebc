#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace qoq::roofline {

/// A cubin as ELF64 sections. The bytes are foreign: every offset is checked before it is followed.
class Elf {
 public:
  struct Section {
    std::string_view name;
    uint32_t link = 0;
    uint64_t size = 0;                ///< also of sections that take no space in the file
    std::span<const std::byte> data;  ///< empty for those
  };

  /// Keeps a view of the bytes. Throws Fault::Input for bytes that are no ELF64 cubin or point outside themselves.
  explicit Elf(std::span<const std::byte> bytes);

  int architecture() const { return architecture_; }  ///< 80, 90, …
  const std::vector<Section>& sections() const { return sections_; }
  /// The name of a symbol by its index in .symtab; empty when there is none.
  std::string_view symbol(uint64_t index) const;

 private:
  std::string_view text_at(std::span<const std::byte> table, uint64_t offset) const;

  std::vector<Section> sections_;
  int architecture_ = 0;
  std::span<const std::byte> symbols_, symbol_names_;
};

/// A little-endian number at an offset. Throws Fault::Input when it is not wholly inside.
uint64_t read_number(std::span<const std::byte> bytes, uint64_t offset, int width);

}  // namespace qoq::roofline
