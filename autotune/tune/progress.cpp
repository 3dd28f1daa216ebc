#include "autotune/tune/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace qoq::tune {

Progress::Progress(uint64_t total, bool quiet)
    : total_(total), quiet_(quiet), start_(std::chrono::steady_clock::now()), last_(start_) {}

Progress::~Progress() {
  if (status_.shown()) show();
}

double Progress::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::enter(const std::string& what) {
  what_ = what;
  best_.clear();
  if (status_.terminal() && !quiet_ && !status_.shown()) show();  // the first candidates may take long to compile
}

void Progress::step(bool known) {
  ++done_;
  if (!known)
    ++fresh_;
  else if (fresh_ == 0)
    known_seconds_ = seconds();
  const auto pause = status_.terminal() ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (!quiet_ && std::chrono::steady_clock::now() - last_ >= pause) show();
}

void Progress::best(const std::string& variant, double us, const char* source) {
  best_ = fmt::format("best {:.2f} us {} {}", us, source, variant);
}

void Progress::say(const std::string& text) { status_.say(text); }

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
  status_.show(line());
}

}  // namespace qoq::tune
