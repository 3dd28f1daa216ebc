// Vector clocks: what a thread knows to have happened before it. Dense for its own CTA, and because meetings across
// CTAs are rare, shared snapshots of the others.
#pragma once
#include <algorithm>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/emulator/epoch.h"

namespace qoq::emulator {

template <class T>
using SingleThreaded = boost::intrusive_ref_counter<T, boost::thread_unsafe_counter>;

/// One clock per agent of a CTA; immutable once shared. Agent t is thread t, agent half + t its copy engine.
struct CtaClocks : SingleThreaded<CtaClocks> {
  std::vector<uint32_t> clocks;
};
using CtaClocksPtr = boost::intrusive_ptr<const CtaClocks>;

/// What is known of CTAs, by linear index; immutable once shared.
struct GridClocks : SingleThreaded<GridClocks> {
  std::map<uint32_t, CtaClocksPtr> ctas;
};
using GridClocksPtr = boost::intrusive_ptr<const GridClocks>;

/// A thread's knowledge. Threads that met at a barrier share `base_` and differ only in their own two entries.
class ThreadClock {
 public:
  /// `half`: a power of two, at least the CTA's threads.
  void start(uint32_t cta, uint32_t thread, uint32_t half, CtaClocksPtr zero);
  void stop();

  bool happens_before(Epoch epoch) const {
    const uint32_t distance = epoch.agent() ^ agent_;
    if (distance == 0) return true;
    if (distance == half_) return epoch.clock() <= copies_seen_;
    if (distance < 2 * half_) return epoch.clock() <= known_[epoch.agent() & (2 * half_ - 1)];
    return foreign_ && happens_before_elsewhere(epoch);
  }
  Epoch access(AccessKind kind, Operation operation) const { return {self_, agent_, kind, operation}; }
  /// An access by this thread's copy engine for its copy group number `group` (from 1).
  Epoch copy_access(uint32_t group, AccessKind kind) const {
    return {group, agent_ | half_, kind, Operation::CopyAsync};
  }
  /// Copy groups up to this number have landed.
  void see_copies(uint32_t group) { copies_seen_ = std::max(copies_seen_, group); }

  /// All of `clocks` (of one CTA) learn what each of them knows; accesses behind this are new epochs.
  static void meet(ThreadClock* const* clocks, size_t count);
  /// Everything this thread knows, itself included; what it does next is not part of it.
  GridClocksPtr release();
  void acquire(const GridClocksPtr& released);

 private:
  bool happens_before_elsewhere(Epoch epoch) const;
  void rebase(CtaClocksPtr base);
  uint32_t cta() const { return agent_ / (2 * half_); }
  uint32_t thread() const { return agent_ & (half_ - 1); }

  const uint32_t* known_ = nullptr;  // base_'s clocks
  uint32_t agent_ = 0;               // cta · 2 · half + thread: unique in the grid
  uint32_t half_ = 0;
  uint32_t self_ = 0;
  uint32_t copies_seen_ = 0;
  GridClocksPtr foreign_;  // other CTAs; null for most
  CtaClocksPtr base_;
};

/// Both knowledges together; either may be null.
GridClocksPtr join(const GridClocksPtr& a, const GridClocksPtr& b);

}  // namespace qoq::emulator
