#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "autotune/compile/compiler.h"

namespace qoq::compile {

/// A plain, unsynced write, for files in a work folder: an entry is published whole by a rename, and its digests tell
/// if the disk lost a part. Throws Fault::Work.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// A folder made for one writer and removed with all it holds when it goes out of scope.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::filesystem::path path);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Builds on disk by content address: FOLDER/ab/ab12…/{source, log, object, build.json}. An entry appears by a rename,
/// whole or not at all, and its object is checked against the digest in build.json before each use. Safe for several
/// threads and processes.
class Cache {
 public:
  /// Throws Fault::Work when the folder cannot be made. `suffix` is the object's file name ending: ".cubin", ".so".
  Cache(std::filesystem::path folder, std::string suffix);

  struct Found {
    std::optional<Build> build;
    std::string damage;  ///< what is wrong with an entry that is there but must not be used; else empty
  };
  Found find(const std::string& key) const;

  /// Publishes a build (ok, log, compile_ms, entries) with its source and its object, which is moved or linked in.
  /// Replaces a damaged entry. Returns the build with key and object filled in.
  Build store(const std::string& key, const std::string& source, const std::filesystem::path& object,
              Build build) const;

  /// A fresh folder on the cache's own disk, for a compiler to work in.
  TemporaryFolder work_folder() const;

 private:
  std::filesystem::path entry_folder(const std::string& key) const;
  void remove_abandoned() const;

  std::filesystem::path folder_;
  std::string object_name_;
};

}  // namespace qoq::compile
