// The async proxy: the path by which bulk copies and wgmma reach memory (PTX: "Async proxy"). What a thread wrote by
// the generic one they see only behind its fence.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/emulator/clock.h"

namespace qoq::emulator {

struct Cta;

/// One thread's fences, oldest first: what it did before `clock`, and its cp.async groups up to `copies`, are fenced.
class ProxyFences {
 public:
  void add(ThreadClock& clock) { marks_.push_back({clock.tick(), clock.copies_seen()}); }
  void clear() { marks_.clear(); }
  /// Clock of the first fence behind a write of the thread (or of its cp.async engine) at `clock`; 0 when there is
  /// none.
  uint32_t first_behind(uint32_t clock, bool by_copy_engine) const;

 private:
  struct Mark {
    uint32_t clock;
    uint32_t copies;
  };
  std::vector<Mark> marks_;
};

/// Shared memory as somebody who knows `clock` sees it through the async proxy. The model asks for the writer's own
/// fence, and for synchronisation behind it.
class AsyncProxy {
 public:
  AsyncProxy(const Cta& cta, const ThreadClock& clock) : cta_(&cta), clock_(clock) {}
  /// Global memory: the vocabulary has no fence for it, so nothing that the launch itself stored is seen.
  explicit AsyncProxy(const ThreadClock& clock) : cta_(nullptr), clock_(clock) {}
  bool is_shared() const { return cta_ != nullptr; }
  bool sees(Epoch write) const;
  bool sees_barrier(Epoch init) const;

 private:
  bool is_fenced(Epoch write, bool barrier) const;

  const Cta* cta_;
  const ThreadClock& clock_;
};

}  // namespace qoq::emulator
