#pragma once
#include <string>
#include <vector>

#include "autotune/compile/cache.h"
#include "autotune/compile/compiler.h"
#include "autotune/compile/kernel_headers.h"

namespace qoq::compile {

/// Emulated kernels: the host's C++ compiler, found at run time ($CXX, g++, c++), as shared objects that the emulator
/// launches. Up to 16 sources share a translation unit, since reading the headers costs more than a kernel; the builds
/// of one unit share one object file. A unit that fails is halved until the bad source stands alone.
class HostCompiler final : public Compiler {
 public:
  /// `jobs` ≥ 1 compilers at once. Throws Fault::Work when there is no C++ compiler.
  HostCompiler(std::filesystem::path cache_folder, int jobs, Headers headers = emulator_headers());
  std::string identity() const override;
  const std::string& version() const { return version_; }  ///< as it says itself, "g++ (Debian 12.2.0) 12.2.0"
  std::vector<Build> build(std::span<const Source> sources, const Done& done, std::stop_token stop) override;

 private:
  Headers headers_;
  Cache cache_;
  int jobs_;
  std::vector<std::string> command_;  ///< program and flags
  std::string version_;               ///< its first line of --version
  std::filesystem::path include_folder_;
};

}  // namespace qoq::compile
