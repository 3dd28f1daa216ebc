#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "kernels/family.h"

namespace qoq::compile {

/// What ptxas says of one entry (--ptxas-options=-v); all zero for a host build.
struct EntryResources {
  int registers = 0;                ///< per thread
  int64_t static_shared_bytes = 0;  ///< per CTA
  int64_t spill_store_bytes = 0;    ///< per thread
  int64_t spill_load_bytes = 0;
  int64_t stack_bytes = 0;
  bool operator==(const EntryResources&) const = default;
};

/// One source after the compiler. A source that does not compile is an expected outcome: ok is false, log says why.
struct Build {
  bool ok = false;
  bool cancelled = false;  ///< a stop was asked for first: ok is false and says nothing about the source
  bool from_cache = false;
  std::string key;               ///< content address: source, what it includes, flags, compiler, architecture
  std::filesystem::path object;  ///< cubin or .so, when ok; source.cu and log.txt lie beside it
  std::string log;               ///< what the compiler said, and what was wrong with a damaged cache entry
  double compile_ms = 0;         ///< its share of the compiler's time; from the cache, what it once cost
  std::map<std::string, EntryResources> entries;  ///< by entry name, when ok
};

/// Called on the thread that called build(), once for each source as it is finished, cancelled ones not.
using Done = std::function<void(size_t index, const Build&)>;

/// Turns generated sources into objects, in parallel, through a content-addressed cache on disk.
/// Processes may share a cache. A failed build is not cached: a full disk or a killed compiler must not stick.
class Compiler {
 public:
  virtual ~Compiler() = default;

  /// Kind, version, architecture and flags: "nvrtc 13.0 sm_80 --std=c++20 …". Part of every cache key.
  virtual std::string identity() const = 0;

  /// Builds every source; results in the sources' order. Equal sources are compiled once.
  /// Throws Fault::Work when the cache cannot be written (read-only or full disk).
  virtual std::vector<Build> build(std::span<const Source> sources, const Done& done = {},
                                   std::stop_token stop = {}) = 0;
};

}  // namespace qoq::compile
