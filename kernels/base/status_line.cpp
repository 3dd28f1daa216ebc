#include "kernels/base/status_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace qoq {

namespace {

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 120;
}

}  // namespace

StatusLine::StatusLine() : terminal_(::isatty(STDERR_FILENO) != 0) {}

StatusLine::~StatusLine() {
  if (shown_ && terminal_) fmt::print(stderr, "\n");
}

void StatusLine::show(const std::string& text) {
  shown_ = true;
  if (terminal_)
    fmt::print(stderr, "\r\033[K{}", text.substr(0, terminal_width() - 1));
  else
    fmt::print(stderr, "{}\n", text);
  std::fflush(stderr);
}

void StatusLine::say(const std::string& text) const {
  if (shown_ && terminal_) fmt::print(stderr, "\r\033[K");
  fmt::print(stderr, "{}\n", text);
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace qoq
