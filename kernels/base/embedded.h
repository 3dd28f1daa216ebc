#pragma once
#include <span>
#include <string_view>

namespace qoq::embedded {

/// A text file compiled into the program (cmake/qoq_library.cmake, qoq_embed).
struct File {
  std::string_view path;  ///< relative to the source root, e.g. "kernels/prim/prim.cuh"
  std::string_view text;
};

}  // namespace qoq::embedded
