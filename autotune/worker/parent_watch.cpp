#include "autotune/worker/parent_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "kernels/base/error.h"

namespace qoq::worker {

namespace {

/// Time for the process to end in its own way, once its parent is gone.
constexpr int grace_ms = 500;

void watch(int descriptor, int stop) {
  // What can be read is the reader's; only the hang-up wakes.
  pollfd ends[] = {{descriptor, POLLRDHUP, 0}, {stop, POLLIN, 0}};
  while (::poll(ends, 2, -1) < 0 && errno == EINTR) {
  }
  if (ends[1].revents != 0) return;
  while (::poll(&ends[1], 1, grace_ms) < 0 && errno == EINTR) {
  }
  if (ends[1].revents == 0) ::_exit(0);
}

}  // namespace

ParentWatch::ParentWatch(int descriptor) : stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (stop_.get() < 0) fail("cannot watch the parent process: {}", std::strerror(errno));
  thread_ = std::thread(watch, descriptor, stop_.get());
}

ParentWatch::~ParentWatch() {
  const uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) < 0) thread_.detach();
  if (thread_.joinable()) thread_.join();
}

}  // namespace qoq::worker
