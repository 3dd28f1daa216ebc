#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "kernels/checkpoint/mapped_file.h"

namespace qoq {

/// Where an entry of a zip archive lies in the file.
struct ZipEntry {
  uint64_t offset = 0;  ///< of its bytes
  uint64_t bytes = 0;
};

/// The entries of a zip archive (PKWARE's APPNOTE.TXT, sections 4.3 and 4.5.3) whose entries are all stored as they
/// are, of any size (zip64): what torch.save writes. `file` opens every message. Throws Fault::Input for anything else:
/// compressed or encrypted entries, two of one name, entries that leave the file.
std::map<std::string, ZipEntry> read_zip(const std::string& file, const MappedFile& mapped);

}  // namespace qoq
