#include "autotune/cli/quantize_progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace qoq::cli {

QuantizeProgress::QuantizeProgress(bool quiet, bool choices)
    : quiet_(quiet), choices_(choices), start_(Clock::now()), last_(start_), entered_(start_) {}

double QuantizeProgress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

void QuantizeProgress::begin(uint64_t parameters) {
  all_ = parameters;
  entered_ = Clock::now();
}

void QuantizeProgress::enter(const std::string& piece, std::string_view step) {
  what_ = fmt::format("{}: {}", piece, step);
  if (status_.terminal() && !quiet_) show();
}

void QuantizeProgress::finished(const std::string& piece, uint64_t parameters, bool kept) {
  const Clock::time_point now = Clock::now();
  done_ += parameters;
  if (kept) {
    kept_seconds_ += std::chrono::duration<double>(now - entered_).count();
  } else {
    fresh_ += parameters;
  }
  entered_ = now;
  what_ = fmt::format("{}: {}", piece, kept ? "kept" : "written");
  if (!quiet_ && (status_.terminal() || done_ == all_ || now - last_ >= std::chrono::seconds(5))) show();
}

void QuantizeProgress::chose(const std::string& text) {
  if (choices_) status_.say(text);
}

void QuantizeProgress::note(const std::string& text) {
  if (!quiet_) status_.say(text);
}

std::string QuantizeProgress::line() const {
  // Kept pieces are read, not made: the rest will take what fresh ones took.
  const double elapsed = seconds() - kept_seconds_;
  const double rate = fresh_ > 0 && elapsed > 0 ? static_cast<double>(fresh_) / elapsed : 0;
  std::string text = fmt::format("{}%", done_ * 100 / std::max<uint64_t>(all_, 1));
  if (rate > 0) {
    text += fmt::format("  {:.0f} MB/s of fp16 weights", 2 * rate / 1e6);
    if (done_ < all_) text += fmt::format("  ETA {}", clock_text(static_cast<double>(all_ - done_) / rate));
  }
  return text + "  " + what_;
}

void QuantizeProgress::show() {
  last_ = Clock::now();
  status_.show(line());
}

}  // namespace qoq::cli
