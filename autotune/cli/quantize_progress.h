#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "kernels/base/status_line.h"
#include "kernels/quantize/quantizer.h"

namespace qoq::cli {

/// One line that is rewritten on a terminal, and a plain line a piece (five seconds apart at least) in a pipe: how far,
/// how fast, how long yet.
class QuantizeProgress : public quantize::Listener {
 public:
  /// `choices`: also prints what the transforms chose, layer by layer.
  QuantizeProgress(bool quiet, bool choices);

  void begin(uint64_t parameters) override;
  void enter(const std::string& piece, std::string_view step) override;
  void finished(const std::string& piece, uint64_t parameters, bool kept) override;
  void chose(const std::string& line) override;
  void note(const std::string& line) override;

  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string line() const;
  void show();

  bool quiet_, choices_;
  StatusLine status_;
  uint64_t all_ = 0, done_ = 0, fresh_ = 0;  ///< parameters; fresh ones were quantised by this run
  double kept_seconds_ = 0;                  ///< that pieces took which were there already
  std::string what_;
  Clock::time_point start_, last_, entered_;
};

}  // namespace qoq::cli
