#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace qoq::roofline {

/// Compiles CUDA C++ to a cubin for an architecture ("sm_90a") with NVRTC, opened at run time; the project's root is
/// the include path. Nothing when there is no NVRTC. Throws std::runtime_error with the log for a bad source.
std::optional<std::string> compile_probe(const std::string& source, const std::string& architecture);

/// The version of that NVRTC, "13.0"; empty when there is none.
std::string nvrtc_version();

/// A kernel that uses the names of kernels/prim, with the MMAs in a loop: "probe".
std::string vocabulary_source();

/// nvdisasm, where it is on the PATH, in CUDA_HOME, in a toolkit under /usr/local or in the project's .deps/nvdisasm;
/// empty otherwise.
std::filesystem::path find_nvdisasm();

}  // namespace qoq::roofline
