#include "autotune/cli/interrupt.h"

#include <cstdlib>

namespace qoq::cli {

Interrupt::Interrupt(std::optional<double> minutes) {
  using Minutes = std::chrono::duration<double, std::ratio<60>>;
  constexpr Minutes century(60 * 24 * 365.25 * 100);
  if (minutes && Minutes(*minutes) < century)
    deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(Minutes(*minutes));
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  waiter_ = std::jthread([this](const std::stop_token& ended) { wait(ended); });
}

Interrupt::~Interrupt() {
  waiter_.request_stop();
  waiter_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Interrupt::wait(const std::stop_token& ended) {
  std::optional<Clock::time_point> asked;
  while (!ended.stop_requested()) {
    constexpr timespec patience{0, 50'000'000};
    const bool signalled = sigtimedwait(&signals_, nullptr, &patience) > 0;
    const auto now = Clock::now();
    if (signalled && asked && now - *asked > std::chrono::milliseconds(500)) std::_Exit(130);
    if (signalled && !asked) {
      asked = now;
      by_user_ = true;
      source_.request_stop();
    }
    if (deadline_ && now > *deadline_) source_.request_stop();
  }
}

}  // namespace qoq::cli
