#pragma once
#include <memory>
#include <string>

#include "autotune/compile/cache.h"
#include "autotune/compile/compiler.h"
#include "autotune/compile/kernel_headers.h"

namespace qoq::compile {

struct NvrtcApi;  // the opened library's functions

/// NVRTC opened at run time, or why it could not be had. Copies share the library.
struct Nvrtc {
  std::shared_ptr<const NvrtcApi> api;
  std::string version;    ///< "13.0"
  std::string reason;     ///< "NVRTC not found: …"; empty when it is there
  std::string path = {};  ///< of the library that was opened

  explicit operator bool() const { return api != nullptr; }

  /// Looks in runtime::cuda_library_folders() and on the loader's path for NVRTC 12.8 or newer.
  static Nvrtc open();
};

/// Device code: NVRTC, in a pool of threads. Kernel sources come from the program itself; no include path is read.
class NvrtcCompiler final : public Compiler {
 public:
  /// `architecture`: "sm_80", "sm_90a" …; `jobs` ≥ 1 threads. Throws Fault::Work with Nvrtc::reason if it is not there.
  NvrtcCompiler(Nvrtc nvrtc, std::string architecture, std::filesystem::path cache_folder, int jobs,
                Headers headers = device_headers());
  std::string identity() const override;
  std::vector<Build> build(std::span<const Source> sources, const Done& done, std::stop_token stop) override;

 private:
  Nvrtc nvrtc_;
  std::string architecture_;
  Headers headers_;
  Cache cache_;
  int jobs_;
};

}  // namespace qoq::compile
