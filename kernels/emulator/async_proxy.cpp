#include "kernels/emulator/async_proxy.h"

#include <algorithm>

#include "kernels/emulator/api.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

uint32_t ProxyFences::first_behind(uint32_t clock, bool by_copy_engine) const {
  const auto found = std::partition_point(marks_.begin(), marks_.end(), [&](const Mark& mark) {
    return by_copy_engine ? mark.copies < clock : mark.clock <= clock;
  });
  return found != marks_.end() ? found->clock : 0;
}

bool AsyncProxy::sees(Epoch write) const {
  if (write.operation() == Operation::CopyBulk) return true;  // the async proxy's own
  return cta_ != nullptr && is_fenced(write, false);
}

bool AsyncProxy::sees_barrier(Epoch init) const { return is_fenced(init, false) || is_fenced(init, true); }

bool AsyncProxy::is_fenced(Epoch write, bool barrier) const {
  const uint32_t half = cta_->launch.half;
  const Thread& writer = cta_->threads[write.agent() % half];
  const ProxyFences& fences = barrier ? writer.barrier_fences : writer.proxy_fences;
  const uint32_t fence = fences.first_behind(write.clock(), (write.agent() & half) != 0);
  return fence != 0 && clock_.happens_before(writer.clock.mark(fence));
}

void fence_proxy_async() {
  maybe_yield();
  current->proxy_fences.add(current->clock);
}

void fence_mbarrier_init() { current->barrier_fences.add(current->clock); }

}  // namespace qoq::emulator
