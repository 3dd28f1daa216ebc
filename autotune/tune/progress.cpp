#include "autotune/tune/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace qoq::tune {

namespace {

std::string clock_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 120;
}

}  // namespace

Progress::Progress(uint64_t total, bool quiet)
    : total_(total),
      quiet_(quiet),
      terminal_(::isatty(STDERR_FILENO) != 0),
      start_(std::chrono::steady_clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (!shown_) return;
  show();
  if (terminal_) fmt::print(stderr, "\n");
}

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::enter(const std::string& what) {
  what_ = what;
  best_.clear();
  if (terminal_ && !quiet_ && !shown_) show();  // the first candidates may take long to compile
}

void Progress::step(bool known) {
  ++done_;
  if (!known)
    ++fresh_;
  else if (fresh_ == 0)
    known_seconds_ = seconds();
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (!quiet_ && std::chrono::steady_clock::now() - last_ >= pause) show();
}

void Progress::best(const std::string& variant, double us, const char* source) {
  best_ = fmt::format("best {:.2f} us {} {}", us, source, variant);
}

void Progress::say(const std::string& text) {
  if (shown_ && terminal_) fmt::print(stderr, "\r\033[K");
  fmt::print(stderr, "{}\n", text);
}

std::string Progress::line() const {
  // Known candidates take no time to speak of: the rest will take what the fresh ones took.
  const double elapsed = seconds() - (fresh_ > 0 ? known_seconds_ : 0);
  const double rate = elapsed > 0 ? static_cast<double>(fresh_ > 0 ? fresh_ : done_) / elapsed : 0;
  std::string text = fmt::format("{}", done_);
  if (total_ > 0) text += fmt::format("/{} ({}%)", total_, done_ * 100 / std::max<uint64_t>(total_, 1));
  text += fmt::format("  {:.0f}/s", rate);
  if (total_ > done_ && done_ >= 10)
    text += fmt::format("  ETA {}", clock_text(static_cast<double>(total_ - done_) / rate));
  return text + "  " + what_ + (best_.empty() ? "" : "  " + best_);
}

void Progress::show() {
  last_ = std::chrono::steady_clock::now();
  shown_ = true;
  if (terminal_)
    fmt::print(stderr, "\r\033[K{}", line().substr(0, terminal_width() - 1));
  else
    fmt::print(stderr, "{}\n", line());
  std::fflush(stderr);
}

}  // namespace qoq::tune
