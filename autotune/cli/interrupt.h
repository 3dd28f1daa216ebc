#pragma once
#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <stop_token>
#include <thread>

namespace qoq::cli {

/// Turns Ctrl-C (and a deadline) into a stop request. A second Ctrl-C ends the program at once; one within half a
/// second is the same one, sent to the process and again to its group (as timeout(1) does).
///
/// Signals are blocked and waited for, not handled: NVRTC puts its own handlers in place while it compiles, and those
/// end the program. Threads started later inherit that; so make it before them.
class Interrupt {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Interrupt(std::optional<double> minutes = std::nullopt);
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;
  ~Interrupt();

  std::stop_token token() const { return source_.get_token(); }
  bool by_user() const { return by_user_; }
  std::optional<Clock::time_point> deadline() const { return deadline_; }

 private:
  void wait(const std::stop_token& ended);

  std::optional<Clock::time_point> deadline_;
  sigset_t signals_{}, before_{};
  std::atomic<bool> by_user_{false};
  std::stop_source source_;
  std::jthread waiter_;
};

}  // namespace qoq::cli
