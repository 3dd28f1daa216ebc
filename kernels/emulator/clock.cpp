#include "kernels/emulator/clock.h"

#include <algorithm>
#include <utility>

namespace qoq::emulator {

namespace {

void raise_to(std::vector<uint32_t>& clocks, const std::vector<uint32_t>& other) {
  for (size_t i = 0; i < clocks.size(); ++i) clocks[i] = std::max(clocks[i], other[i]);
}

bool covers(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](uint32_t x, uint32_t y) { return x >= y; });
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
  agent_ = cta * 2 * half + thread;
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

bool ThreadClock::happens_before_elsewhere(Epoch epoch) const {
  const auto found = foreign_->ctas.find(epoch.agent() / (2 * half_));
  return found != foreign_->ctas.end() && epoch.clock() <= found->second->clocks[epoch.agent() & (2 * half_ - 1)];
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

}  // namespace qoq::emulator
