#include "kernels/emulator/clock.h"

#include <algorithm>
#include <utility>

namespace qoq::emulator {

namespace {

void raise_to(std::vector<uint32_t>& clocks, const std::vector<uint32_t>& other) {
  if (clocks.size() < other.size()) clocks.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) clocks[i] = std::max(clocks[i], other[i]);
}

void raise_to(std::vector<uint32_t>& clocks, size_t agent, uint32_t clock) {
  if (clocks.size() <= agent) clocks.resize(agent + 1);
  clocks[agent] = std::max(clocks[agent], clock);
}

/// A longer `a` has engines that `b` has never heard of, and the other way round.
bool covers(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  const size_t both = std::min(a.size(), b.size());
  return std::equal(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(both), a.begin(),
                    [](uint32_t x, uint32_t y) { return x <= y; }) &&
         std::all_of(b.begin() + static_cast<std::ptrdiff_t>(both), b.end(), [](uint32_t x) { return x == 0; });
}

CtaClocksPtr join(const CtaClocksPtr& a, const CtaClocksPtr& b) {
  if (!a || a == b) return b;
  if (!b || covers(a->clocks, b->clocks)) return a;
  if (covers(b->clocks, a->clocks)) return b;
  boost::intrusive_ptr<CtaClocks> both = new CtaClocks(*a);
  raise_to(both->clocks, b->clocks);
  return both;
}

}  // namespace

GridClocksPtr join(const GridClocksPtr& a, const GridClocksPtr& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  boost::intrusive_ptr<GridClocks> both = new GridClocks(*a);
  for (const auto& [cta, clocks] : b->ctas) {
    CtaClocksPtr& mine = both->ctas[cta];
    mine = join(mine, clocks);
  }
  return both;
}

void ThreadClock::start(uint32_t cta, uint32_t thread, uint32_t half, CtaClocksPtr zero) {
  half_ = half;
  first_agent_ = cta * 4 * half;
  agent_ = first_agent_ + thread;
  copy_agent_ = agent_ + half;
  self_ = 1;
  copies_seen_ = 0;
  foreign_ = nullptr;
  rebase(std::move(zero));
}

void ThreadClock::stop() {
  foreign_ = nullptr;
  base_ = nullptr;
}

void ThreadClock::rebase(CtaClocksPtr base) {
  base_ = std::move(base);
  known_ = base_->clocks.data();
}

bool ThreadClock::knows_engine(uint32_t agent, uint32_t clock) const {
  return agent < base_->clocks.size() && clock <= known_[agent];
}

bool ThreadClock::happens_before_elsewhere(Epoch epoch) const {
  const auto found = foreign_->ctas.find(epoch.agent() / (4 * half_));
  if (found == foreign_->ctas.end()) return false;
  const std::vector<uint32_t>& clocks = found->second->clocks;
  const size_t agent = epoch.agent() & (4 * half_ - 1);
  return agent < clocks.size() && epoch.clock() <= clocks[agent];
}

void ThreadClock::meet(ThreadClock* const* clocks, size_t count) {
  boost::intrusive_ptr<CtaClocks> together = new CtaClocks(*clocks[0]->base_);
  GridClocksPtr foreign = clocks[0]->foreign_;
  const uint32_t half = clocks[0]->half_;
  for (size_t i = 1; i < count; ++i) {
    // Threads that last met each other share their base: most neighbours do.
    if (clocks[i]->base_ != clocks[i - 1]->base_) raise_to(together->clocks, clocks[i]->base_->clocks);
    if (clocks[i]->foreign_ != clocks[i - 1]->foreign_) foreign = join(foreign, clocks[i]->foreign_);
  }
  for (size_t i = 0; i < count; ++i) {
    together->clocks[clocks[i]->thread()] = clocks[i]->self_;
    together->clocks[half + clocks[i]->thread()] = clocks[i]->copies_seen_;
  }
  for (size_t i = 0; i < count; ++i) {
    clocks[i]->rebase(together);
    clocks[i]->foreign_ = foreign;
    ++clocks[i]->self_;
  }
}

GridClocksPtr ThreadClock::release() {
  boost::intrusive_ptr<CtaClocks> mine = new CtaClocks(*base_);
  mine->clocks[thread()] = self_;
  mine->clocks[half_ + thread()] = copies_seen_;
  boost::intrusive_ptr<GridClocks> all = foreign_ ? new GridClocks(*foreign_) : new GridClocks;
  all->ctas[cta()] = std::move(mine);
  ++self_;
  return all;
}

void ThreadClock::acquire(const GridClocksPtr& released) {
  if (!released) return;
  boost::intrusive_ptr<GridClocks> others = foreign_ ? new GridClocks(*foreign_) : new GridClocks;
  for (const auto& [cta_index, clocks] : released->ctas) {
    if (cta_index == cta()) {
      rebase(join(base_, clocks));
    } else {
      CtaClocksPtr& known = others->ctas[cta_index];
      known = join(known, clocks);
    }
  }
  if (!others->ctas.empty()) foreign_ = std::move(others);
}

void PhaseClocks::raise(size_t agent, uint32_t clock) { raise_to(clocks->clocks, agent, clock); }

void ThreadClock::release(PhaseClocks& phase) {
  if (!phase.clocks) {
    phase.clocks = new CtaClocks(*base_);
  } else if (phase.base != base_) {
    raise_to(phase.clocks->clocks, base_->clocks);
  }
  phase.base = base_;
  phase.foreign = join(phase.foreign, foreign_);
  raise_to(phase.clocks->clocks, thread(), self_);
  raise_to(phase.clocks->clocks, half_ + thread(), copies_seen_);
  ++self_;
}

void ThreadClock::acquire(PhaseClocks& phase) {
  if (!phase.clocks) return;
  if (phase.asked != base_) {
    phase.asked = base_;
    phase.learned = join(base_, phase.clocks);
  }
  rebase(phase.learned);
  foreign_ = join(foreign_, phase.foreign);
}

void ThreadClock::learn(ThreadClock* const* clocks, size_t count, uint32_t engine, uint32_t clock) {
  CtaClocksPtr asked;
  CtaClocksPtr learned;
  for (size_t i = 0; i < count; ++i) {
    if (clocks[i]->base_ != asked) {
      boost::intrusive_ptr<CtaClocks> more = new CtaClocks(*clocks[i]->base_);
      raise_to(more->clocks, 2 * clocks[i]->half_ + engine, clock);
      asked = clocks[i]->base_;
      learned = std::move(more);
    }
    clocks[i]->rebase(learned);
  }
}

ThreadClock ThreadClock::common(ThreadClock* const* clocks, size_t count, uint32_t engine) {
  ThreadClock all;
  all.half_ = clocks[0]->half_;
  all.first_agent_ = clocks[0]->first_agent_;
  all.agent_ = all.copy_agent_ = all.first_agent_ + 2 * all.half_ + engine;
  CtaClocksPtr known = clocks[0]->base_;
  for (size_t i = 1; i < count; ++i) {
    if (clocks[i]->base_ == clocks[i - 1]->base_) continue;
    boost::intrusive_ptr<CtaClocks> less = new CtaClocks(*known);
    const std::vector<uint32_t>& other = clocks[i]->base_->clocks;
    less->clocks.resize(std::min(less->clocks.size(), other.size()));
    for (size_t agent = 0; agent < less->clocks.size(); ++agent) {
      less->clocks[agent] = std::min(less->clocks[agent], other[agent]);
    }
    known = std::move(less);
  }
  all.rebase(std::move(known));
  return all;
}

}  // namespace qoq::emulator
