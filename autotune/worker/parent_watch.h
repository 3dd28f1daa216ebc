#pragma once
#include <thread>

#include "autotune/worker/descriptor.h"

namespace qoq::worker {

/// Ends this process soon after whoever holds the other end of a socket or pipe is gone, whatever the process is doing
/// then: a child that waits for a hanging kernel never comes to read that its parent was killed. (The kernel's own
/// PR_SET_PDEATHSIG goes by the parent's thread, not by its process.)
class ParentWatch {
 public:
  explicit ParentWatch(int descriptor);
  /// The process goes on, or ends in its own way.
  ~ParentWatch();
  ParentWatch(const ParentWatch&) = delete;
  ParentWatch& operator=(const ParentWatch&) = delete;

 private:
  Descriptor stop_;
  std::thread thread_;
};

}  // namespace qoq::worker
