#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace qoq::worker {

/// Cuts the bytes that arrive on a descriptor into lines.
class Lines {
 public:
  enum class Arrived {
    Bytes,    ///< some, or a signal came in between: go on
    Nothing,  ///< the descriptor does not block, and there is nothing at the moment
    Closed,   ///< the writer is gone, or the descriptor is broken
    TooMany,  ///< a line grows past the longest there may be: this is no protocol
  };
  static constexpr size_t longest = size_t{64} << 20;

  /// Reads once.
  Arrived read_from(int descriptor);
  /// The next whole line, without its end.
  std::optional<std::string> take();
  /// What has arrived of a line that is not whole.
  std::string_view rest() const { return bytes_; }

 private:
  std::string bytes_;
  size_t searched_ = 0;  // bytes_ has no line's end before it
};

/// Writes a line and its end. False when the reader is gone, or, on a socket with a time limit for sending, does not
/// read.
bool write_line(int descriptor, std::string line);

}  // namespace qoq::worker
