#pragma once
#include <string>

namespace qoq {

/// Standard error as a place for progress: one line that is rewritten on a terminal, plain lines in a pipe.
class StatusLine {
 public:
  StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine();  ///< leaves a terminal's cursor below the line

  bool terminal() const { return terminal_; }
  bool shown() const { return shown_; }
  /// The line now; a terminal cuts it at its width.
  void show(const std::string& text);
  /// A line of its own, above.
  void say(const std::string& text) const;

 private:
  bool terminal_;
  bool shown_ = false;
};

/// "1:05" or "2:00:09", rounded to seconds.
std::string clock_text(double seconds);

}  // namespace qoq
