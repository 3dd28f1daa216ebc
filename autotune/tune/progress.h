#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "kernels/base/status_line.h"

namespace qoq::tune {

/// One line that is rewritten on a terminal, and plain lines every few seconds in a pipe: how far, how fast, how long
/// yet, the best so far.
class Progress {
 public:
  /// `total` candidates expected; 0 when nobody knows.
  Progress(uint64_t total, bool quiet);
  ~Progress();

  /// Names what is worked on now: "sim:h200  gemm w4a8-g128 m=16 …".
  void enter(const std::string& what);
  /// A candidate is finished. `known` ones came from the database and say nothing about the speed of the rest.
  void step(bool known);
  /// The fastest candidate of the current problem.
  void best(const std::string& variant, double us, const char* source);
  /// A line of its own, said even when quiet.
  void say(const std::string& line);

  uint64_t done() const { return done_; }
  double seconds() const;

 private:
  void show();
  std::string line() const;

  uint64_t total_, done_ = 0, fresh_ = 0;
  bool quiet_;
  StatusLine status_;
  double known_seconds_ = 0;  ///< until the last candidate that was known already
  std::string what_, best_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace qoq::tune
