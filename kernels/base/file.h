#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace qoq {

/// The whole file's bytes. Throws Fault::Input naming the path when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// As read_file, but nothing when there is no such file.
std::optional<std::string> read_file_if_present(const std::filesystem::path& path);

/// Makes a rename into the folder of `path` last: until the folder itself is synced, a power cut can undo it. Returns
/// errno, 0 for success; a file system that cannot sync folders counts as success.
int sync_folder_of(const std::filesystem::path& path);

/// Writes to a temporary name beside `path`, syncs, renames, and syncs the folder: readers see the old bytes or the
/// new, never a part. Creates missing folders. Throws Fault::Work on a read-only or full disk and leaves no temporary
/// file behind.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

}  // namespace qoq
