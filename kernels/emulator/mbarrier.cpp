#include "kernels/emulator/mbarrier.h"

#include <cstring>

#include "kernels/emulator/api.h"
#include "kernels/emulator/fault.h"
#include "kernels/emulator/shared_memory.h"

namespace qoq::emulator {

namespace {

constexpr uint32_t barrier_bytes = 8;
constexpr uint32_t most_arrivals = (1u << 20) - 1;
constexpr uint32_t most_bytes = (1u << 20) - 1;

/// What an initialised barrier's bytes hold: whoever writes over them is found out.
uint64_t content(uint32_t offset) {
  return 0x6d62617272696572u ^ uint64_t { offset } << 32;
}

void arrive_at(Mbarrier& barrier, Operation operation) {
  Thread& me = *current;
  if (barrier.missing == 0) fault_mbarrier(operation, barrier.offset, &barrier, "is one arrival more than its count");
  me.clock.release(barrier.open);
  --barrier.missing;
  if (!complete_phase(*me.cta, barrier)) {
    fault_mbarrier(operation, barrier.offset, &barrier,
                   "completes a phase while a thread still waits for the one before");
  }
}

}  // namespace

Mbarrier& find_mbarrier(uint32_t at, Operation operation) {
  Thread& me = *current;
  const uint32_t offset = check_shared(*me.cta, at, barrier_bytes, operation);
  const auto found = me.cta->mbarriers.by_offset.find(offset);
  if (found == me.cta->mbarriers.by_offset.end()) {
    fault_mbarrier(operation, offset, nullptr, "uses an mbarrier that nobody has initialised");
  }
  if (me.cta->shadow && !me.clock.happens_before(found->second.init)) {
    fault_shadow({"shared", offset}, barrier_bytes, {me.clock.access(AccessKind::AtomicWrite, operation), me.clock},
                 found->second.init);
  }
  const uint64_t expected = content(offset);
  if (std::memcmp(&me.cta->shared[offset], &expected, barrier_bytes) != 0) {
    fault_mbarrier(operation, offset, &found->second, "finds its bytes overwritten");
  }
  return found->second;
}

bool complete_phase(Cta& cta, Mbarrier& barrier) {
  if (barrier.missing != 0 || barrier.bytes != 0) return true;
  for (const Thread* thread : barrier.released) {
    if (thread->awaits == &barrier && thread->awaits_phase < barrier.phase) return false;
  }
  ++barrier.phase;
  barrier.missing = barrier.count;
  barrier.open.raise(2 * cta.launch.half + barrier.engine, barrier.phase);
  barrier.done = std::move(barrier.open);
  barrier.open = {};
  barrier.released = std::move(barrier.waiting);
  barrier.waiting.clear();
  for (Thread* thread : barrier.released) make_ready(cta, *thread->warp, thread->lane_bit());
  return true;
}

void mbarrier_init(u32 at, u32 count) {
  constexpr Operation operation = Operation::MbarrierInit;
  Thread& me = *current;
  Cta& cta = *me.cta;
  const uint32_t offset = check_shared(cta, at, barrier_bytes, operation);
  if (count == 0 || count > most_arrivals) fault_operand(operation, "the count must be from 1 to 1048575");
  const auto old = cta.mbarriers.by_offset.find(offset);
  if (old != cta.mbarriers.by_offset.end())
    fault_mbarrier(operation, offset, &old->second, "initialises a live mbarrier");
  const Epoch epoch = me.clock.access(AccessKind::Write, operation);
  record_shared(me, offset, barrier_bytes, {epoch, me.clock});
  const uint64_t bytes = content(offset);
  std::memcpy(&cta.shared[offset], &bytes, barrier_bytes);
  Mbarrier barrier{};
  barrier.offset = offset;
  barrier.engine = take_engine(cta, operation);
  barrier.count = barrier.missing = count;
  barrier.init = epoch;
  cta.mbarriers.by_offset.emplace(offset, barrier);
}

void mbarrier_arrive(u32 at) {
  maybe_yield();
  arrive_at(find_mbarrier(at, Operation::MbarrierArrive), Operation::MbarrierArrive);
}

void mbarrier_arrive_expect_tx(u32 at, u32 bytes) {
  constexpr Operation operation = Operation::MbarrierArriveExpectTx;
  maybe_yield();
  if (bytes > most_bytes) fault_operand(operation, "at most 1048575 bytes can be expected");
  Mbarrier& barrier = find_mbarrier(at, operation);
  barrier.bytes += bytes;
  arrive_at(barrier, operation);
}

void mbarrier_wait(u32 at, u32 parity) {
  constexpr Operation operation = Operation::MbarrierWait;
  maybe_yield();
  Mbarrier& barrier = find_mbarrier(at, operation);
  if (parity > 1) fault_operand(operation, "the parity is 0 or 1");
  Thread& me = *current;
  if (barrier.phase % 2 == parity) {
    me.awaits = &barrier;
    me.awaits_phase = barrier.phase;
    barrier.waiting.push_back(&me);
    park();
    me.awaits = nullptr;
  }
  // Before the first phase's end the odd phase "before" it counts as completed; it has released nothing.
  me.clock.acquire(barrier.done);
  barrier.awaited = barrier.phase;
}

}  // namespace qoq::emulator
