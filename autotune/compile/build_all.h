#pragma once
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "autotune/compile/cache.h"
#include "autotune/compile/compiler.h"
#include "autotune/compile/kernel_headers.h"

namespace qoq::compile {

/// A compiler's own answer for one source, before it is cached.
struct Compiled {
  Build build;                   ///< ok, cancelled, log, compile_ms, entries
  std::filesystem::path object;  ///< inside the work folder, when ok; several sources may name the same file
};

/// Compiles a few different sources together in a folder that is removed afterwards; one answer for each.
using CompileGroup = std::function<std::vector<Compiled>(
    std::span<const Source* const> sources, const std::filesystem::path& work_folder, std::stop_token stop)>;

/// What all compilers share: keys, cache, equal sources once, a pool of `jobs` threads over groups of at most
/// `group_size` sources. See Compiler::build for the rest.
struct BuildAll {
  const std::string identity;
  const Headers& headers;
  const Cache& cache;
  int jobs = 1;
  size_t group_size = 1;
  CompileGroup compile;

  std::vector<Build> operator()(std::span<const Source> sources, const Done& done, std::stop_token stop) const;
};

}  // namespace qoq::compile
