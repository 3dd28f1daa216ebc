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

/// One clock per agent of a CTA; immutable once shared. Agent t is thread t, agent half + t its cp.async engine, agent
/// 2 · half + e engine e: an mbarrier (its clock: phases completed) or a warp's tensor core (its clock: wgmma groups
/// landed). Clocks past the end are 0.
struct CtaClocks : SingleThreaded<CtaClocks> {
  std::vector<uint32_t> clocks;
};
using CtaClocksPtr = boost::intrusive_ptr<const CtaClocks>;

/// What is known of CTAs, by linear index; immutable once shared.
struct GridClocks : SingleThreaded<GridClocks> {
  std::map<uint32_t, CtaClocksPtr> ctas;
};
using GridClocksPtr = boost::intrusive_ptr<const GridClocks>;

/// What the arrivals at one phase of an mbarrier have released.
struct PhaseClocks {
  void raise(size_t agent, uint32_t clock);
  boost::intrusive_ptr<CtaClocks> clocks;  // null: nothing yet
  GridClocksPtr foreign;
  CtaClocksPtr base;            // the last arrival's; neighbours often share it
  CtaClocksPtr asked, learned;  // the last acquisition: what the thread knew, and knew then
};

/// A thread's knowledge. Threads that met at a barrier share `base_` and differ only in their own two entries.
class ThreadClock {
 public:
  /// `half`: a power of two, at least the CTA's threads.
  void start(uint32_t cta, uint32_t thread, uint32_t half, CtaClocksPtr zero);
  void stop();

  bool happens_before(Epoch epoch) const {
    if (epoch.agent() == agent_) return true;
    if (epoch.agent() == copy_agent_) return epoch.clock() <= copies_seen_;
    const uint32_t agent = epoch.agent() - first_agent_;  // wraps for CTAs before this one
    if (agent < 2 * half_) return epoch.clock() <= known_[agent];
    if (agent < 4 * half_) return knows_engine(agent, epoch.clock());
    return foreign_ && happens_before_elsewhere(epoch);
  }
  Epoch access(AccessKind kind, Operation operation) const { return {self_, agent_, kind, operation}; }
  /// An access by this thread's copy engine for its copy group number `group` (from 1).
  Epoch copy_access(uint32_t group, AccessKind kind) const { return {group, copy_agent_, kind, Operation::CopyAsync}; }
  /// An access by engine `engine` (below half) of this thread's CTA, done when its clock is `clock`.
  Epoch engine_access(uint32_t engine, uint32_t clock, AccessKind kind, Operation operation) const {
    return {clock, first_agent_ + 2 * half_ + engine, kind, operation};
  }
  /// The access that a fence or another mark of this thread at `clock` would be.
  Epoch mark(uint32_t clock) const { return {clock, agent_, AccessKind::Read, Operation::None}; }
  /// What this thread does next is a new epoch; returns its clock.
  uint32_t tick() { return ++self_; }
  uint32_t copies_seen() const { return copies_seen_; }
  /// Copy groups up to this number have landed.
  void see_copies(uint32_t group) { copies_seen_ = std::max(copies_seen_, group); }

  /// All of `clocks` (of one CTA) learn what each of them knows; accesses behind this are new epochs.
  static void meet(ThreadClock* const* clocks, size_t count);
  /// Everything this thread knows, itself included; what it does next is not part of it.
  GridClocksPtr release();
  void acquire(const GridClocksPtr& released);
  /// The same for a phase of an mbarrier.
  void release(PhaseClocks& phase);
  void acquire(PhaseClocks& phase);

  /// All of `clocks` (of one CTA) learn that engine `engine` has reached `clock`.
  static void learn(ThreadClock* const* clocks, size_t count, uint32_t engine, uint32_t clock);
  /// What every one of `clocks` knows, as the clock of the engine that works for them all.
  static ThreadClock common(ThreadClock* const* clocks, size_t count, uint32_t engine);

 private:
  bool knows_engine(uint32_t agent, uint32_t clock) const;
  bool happens_before_elsewhere(Epoch epoch) const;
  void rebase(CtaClocksPtr base);
  uint32_t cta() const { return first_agent_ / (4 * half_); }
  uint32_t thread() const { return agent_ - first_agent_; }

  const uint32_t* known_ = nullptr;  // base_'s clocks
  uint32_t first_agent_ = 0;         // of the CTA: its number · 4 · half
  uint32_t agent_ = 0;               // unique in the grid
  uint32_t copy_agent_ = 0;
  uint32_t half_ = 0;
  uint32_t self_ = 0;
  uint32_t copies_seen_ = 0;
  GridClocksPtr foreign_;  // other CTAs; null for most
  CtaClocksPtr base_;
};

/// Both knowledges together; either may be null.
GridClocksPtr join(const GridClocksPtr& a, const GridClocksPtr& b);

}  // namespace qoq::emulator
