#pragma once
#include <map>
#include <memory>
#include <string>

#include "autotune/cli/command.h"
#include "autotune/compile/nvrtc_compiler.h"
#include "kernels/base/error.h"

namespace qoq::cli {

/// One compiler an architecture, made when first asked for.
class Compilers {
 public:
  explicit Compilers(const Options& options) : cache_(cache_folder(options)), jobs_(job_count(options)) {}

  compile::Compiler& of(const std::string& architecture) {
    if (!nvrtc_) nvrtc_ = compile::Nvrtc::open();
    if (!nvrtc_) fail("predicting compiles the kernels that were measured: {}", nvrtc_.reason);
    auto& compiler = compilers_[architecture];
    if (!compiler) compiler = std::make_unique<compile::NvrtcCompiler>(nvrtc_, architecture, cache_, jobs_);
    return *compiler;
  }

 private:
  compile::Nvrtc nvrtc_;
  std::string cache_;
  int jobs_;
  std::map<std::string, std::unique_ptr<compile::Compiler>> compilers_;
};

}  // namespace qoq::cli
