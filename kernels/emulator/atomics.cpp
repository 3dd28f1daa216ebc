// Atomic additions, acquire and release at GPU scope. The program is one OS thread: plain arithmetic is atomic.
#include "kernels/emulator/api.h"
#include "kernels/emulator/global_access.h"

namespace qoq::emulator {

namespace {

i32 add(i32* at, i32 value, Operation operation) {
  maybe_yield();
  if (value == 0) poll(at);  // looks, changes nothing: may be a loop that waits
  Thread& me = *current;
  const GlobalPlace place = check_global(me, at, sizeof *at, operation, false);
  if (operation == Operation::AtomicAddAcqRel) me.clock.acquire(me.cta->launch.released[at]);
  record_global(place, sizeof *at, {me.clock.access(AccessKind::AtomicWrite, operation), me.clock});
  // What was released here before is part of what this thread has acquired. A relaxed addition leaves it standing:
  // it continues the release sequence.
  if (operation == Operation::AtomicAddAcqRel) me.cta->launch.released[at] = me.clock.release();
  ++place.buffer.counters.atomics;
  if (value != 0) ++me.cta->launch.news;
  const i32 before = *at;
  *at = static_cast<i32>(static_cast<u32>(before) + static_cast<u32>(value));
  return before;
}

}  // namespace

i32 atomic_add_acq_rel(i32* at, i32 value) { return add(at, value, Operation::AtomicAddAcqRel); }

void atomic_add_relaxed(i32* at, i32 value) { add(at, value, Operation::AtomicAddRelaxed); }

i32 load_acquire(const i32* from) {
  maybe_yield();
  poll(from);
  Thread& me = *current;
  const GlobalPlace place = check_global(me, from, sizeof *from, Operation::LoadAcquire, false);
  me.warp->requests.add_global(__builtin_return_address(0), Operation::LoadAcquire, me.lane, sizeof *from, place.number,
                               place.offset);
  me.clock.acquire(me.cta->launch.released[from]);
  record_global(place, sizeof *from, {me.clock.access(AccessKind::AtomicRead, Operation::LoadAcquire), me.clock});
  return *from;
}

void store_release(i32* to, i32 value) {
  maybe_yield();
  Thread& me = *current;
  const GlobalPlace place = check_global(me, to, sizeof *to, Operation::StoreRelease, true);
  me.warp->requests.add_global(__builtin_return_address(0), Operation::StoreRelease, me.lane, sizeof *to, place.number,
                               place.offset);
  record_global(place, sizeof *to, {me.clock.access(AccessKind::AtomicWrite, Operation::StoreRelease), me.clock});
  me.cta->launch.released[to] = me.clock.release();
  ++me.cta->launch.news;
  *to = value;
}

}  // namespace qoq::emulator
