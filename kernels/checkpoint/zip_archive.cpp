#include "kernels/checkpoint/zip_archive.h"

#include <algorithm>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/checkpoint/json_text.h"

namespace qoq {

namespace {

constexpr uint64_t end_bytes = 22, locator_bytes = 20, end64_bytes = 56, entry_bytes = 46, local_bytes = 30;
/// A directory of more is no model's.
constexpr uint64_t longest_directory = 100'000'000;

/// Numbers of a piece of the file, little-endian; reads outside it are refused.
class Piece {
 public:
  Piece(const std::string& file, const MappedFile& mapped, uint64_t offset, uint64_t bytes) : file_(file) {
    const uint64_t size = mapped.bytes().size();
    if (offset > size || bytes > size - offset) cut();
    bytes_.resize(bytes);
    mapped.read(offset, bytes_);
  }
  uint64_t number(size_t at, size_t width) const {
    need(at, width);
    uint64_t value = 0;
    for (size_t i = 0; i < width; ++i) value |= std::to_integer<uint64_t>(bytes_[at + i]) << (8 * i);
    return value;
  }
  std::string text(size_t at, size_t width) const {
    need(at, width);
    return {reinterpret_cast<const char*>(bytes_.data()) + at, width};
  }
  size_t size() const { return bytes_.size(); }

 private:
  void need(size_t at, size_t width) const {
    if (at > bytes_.size() || width > bytes_.size() - at) cut();
  }
  [[noreturn]] void cut() const { bad_input("{}: its zip directory leaves the file (cut short?)", file_); }

  const std::string& file_;
  std::vector<std::byte> bytes_;
};

struct Directory {
  uint64_t offset = 0, bytes = 0, entries = 0;
};

Directory find_directory(const std::string& file, const MappedFile& mapped) {
  const uint64_t size = mapped.bytes().size();
  if (size < end_bytes) bad_input("{}: is no zip archive, as torch.save makes since version 1.6", file);
  // The end record is followed by a comment of up to 64 KiB.
  const uint64_t window = std::min<uint64_t>(size, end_bytes + 65535), start = size - window;
  const Piece tail(file, mapped, start, window);
  uint64_t at = window - end_bytes + 1;
  while (at > 0 && tail.number(at - 1, 4) != 0x06054b50) --at;
  if (at == 0) bad_input("{}: is no zip archive, as torch.save makes since version 1.6", file);
  --at;
  Directory directory{tail.number(at + 16, 4), tail.number(at + 12, 4), tail.number(at + 10, 2)};
  if (at >= locator_bytes && tail.number(at - locator_bytes, 4) == 0x07064b50) {
    const Piece end64(file, mapped, tail.number(at - locator_bytes + 8, 8), end64_bytes);
    if (end64.number(0, 4) != 0x06064b50) bad_input("{}: its zip64 end record is not where it should be", file);
    directory = {end64.number(48, 8), end64.number(40, 8), end64.number(32, 8)};
  }
  if (directory.bytes > longest_directory)
    bad_input("{}: its zip directory of {} bytes is too long", file, directory.bytes);
  return directory;
}

/// An entry's sizes and place: 32 bits, or all ones and 64 in the extra field of kind 1, in this order.
struct Sizes {
  uint64_t plain, packed, local;
};

Sizes read_sizes(const Piece& piece, size_t at, size_t name, size_t extra) {
  Sizes sizes{piece.number(at + 24, 4), piece.number(at + 20, 4), piece.number(at + 42, 4)};
  for (size_t field = at + entry_bytes + name, end = field + extra; field + 4 <= end;) {
    const size_t kind = piece.number(field, 2), length = piece.number(field + 2, 2);
    size_t value = field + 4;
    if (kind == 1) {
      for (uint64_t* size : {&sizes.plain, &sizes.packed, &sizes.local}) {
        if (*size != 0xffffffff) continue;
        *size = piece.number(value, 8);
        value += 8;
      }
    }
    field += 4 + length;
  }
  return sizes;
}

}  // namespace

std::map<std::string, ZipEntry> read_zip(const std::string& file, const MappedFile& mapped) {
  const Directory directory = find_directory(file, mapped);
  const Piece piece(file, mapped, directory.offset, directory.bytes);
  const uint64_t size = mapped.bytes().size();
  std::map<std::string, ZipEntry> entries;
  size_t at = 0;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (piece.number(at, 4) != 0x02014b50) bad_input("{}: its zip directory is no list of entries", file);
    const size_t name_bytes = piece.number(at + 28, 2), extra = piece.number(at + 30, 2),
                 comment = piece.number(at + 32, 2);
    const std::string name = piece.text(at + entry_bytes, name_bytes);
    const Sizes sizes = read_sizes(piece, at, name_bytes, extra);
    if (piece.number(at + 10, 2) != 0 || (piece.number(at + 8, 2) & 1) != 0 || sizes.plain != sizes.packed) {
      bad_input("{}: its entry {} is compressed or encrypted", file, in_quotes(name));
    }
    const Piece local(file, mapped, sizes.local, local_bytes);
    if (local.number(0, 4) != 0x04034b50)
      bad_input("{}: its entry {} is not where it should be", file, in_quotes(name));
    const uint64_t offset = sizes.local + local_bytes + local.number(26, 2) + local.number(28, 2);
    if (offset > size || sizes.plain > size - offset)
      bad_input("{}: its entry {} leaves the file (cut short?)", file, in_quotes(name));
    if (!entries.emplace(name, ZipEntry{offset, sizes.plain}).second)
      bad_input("{}: has two entries {}", file, in_quotes(name));
    at += entry_bytes + name_bytes + extra + comment;
  }
  return entries;
}

}  // namespace qoq
