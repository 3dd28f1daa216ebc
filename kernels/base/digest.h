#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace qoq {

/// Content digest for cache and row keys: XXH3-128 as 32 hexadecimal digits. Not for security.
std::string digest(std::string_view bytes);

/// The same digest of bytes that come piece by piece.
class RunningDigest {
 public:
  RunningDigest();
  ~RunningDigest();
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  /// Of everything added so far.
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qoq
