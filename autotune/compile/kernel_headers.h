#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace qoq::compile {

/// Text by the name an #include "…" uses: the path from the source root.
using Headers = std::map<std::string, std::string, std::less<>>;

/// What device code may include: every kernels/**/*.cuh, out of the program itself.
Headers device_headers();
/// What emulated code may include: the same with the emulator's half of prim in place of the PTX.
Headers emulator_headers();

/// Digests of sources with all they include, transitively. Includes that `headers` lacks are the compiler's business.
class IncludeDigests {
 public:
  explicit IncludeDigests(const Headers& headers);
  /// Digest of the text and of every header it reaches.
  std::string of(std::string_view text) const;

 private:
  void reach(const std::vector<std::string>& includes, std::set<std::string_view>& reached) const;

  struct Header {
    std::string digest;
    std::vector<std::string> includes;
  };
  std::map<std::string, Header, std::less<>> headers_;
};

}  // namespace qoq::compile
