// cp.async.bulk: one thread's order to copy a run of bytes, done by the async proxy, complete on an mbarrier.
#include <algorithm>
#include <cstring>

#include "kernels/emulator/api.h"
#include "kernels/emulator/async_proxy.h"
#include "kernels/emulator/global_access.h"
#include "kernels/emulator/shared_memory.h"

namespace qoq::emulator {

namespace {

constexpr uint32_t unit = 16;  // addresses and sizes are multiples of it

/// False after a fault, which is recorded in the issuing thread's name.
bool land(Cta& cta, const BulkCopy& copy) {
  std::memcpy(&cta.shared[copy.to], copy.from, copy.bytes);
  Mbarrier& barrier = *copy.barrier;
  if (barrier.phase != copy.phase) {
    report_mbarrier(*copy.thread, Operation::CopyBulk, barrier,
                    "lands after its phase is over: too few bytes were expected");
    return false;
  }
  barrier.bytes -= copy.bytes;
  if (complete_phase(cta, barrier)) return true;
  report_mbarrier(*copy.thread, Operation::CopyBulk, barrier,
                  "completes a phase while a thread still waits for the one before");
  return false;
}

void check_operands(u32 to, const void* from, u32 bytes) {
  constexpr Operation operation = Operation::CopyBulk;
  if (bytes == 0 || bytes % unit != 0) fault_operand(operation, "the size must be a positive multiple of 16 bytes");
  if (to % unit != 0 || reinterpret_cast<uintptr_t>(from) % unit != 0) {
    fault_operand(operation, "both addresses must be multiples of 16");
  }
}

void count(Counters& counters, BufferCounters& source, uint64_t offset, u32 bytes) {
  ++counters.bulk_copies;
  source.bytes_read += bytes;
  source.sectors_read += (offset + bytes + 31) / 32 - offset / 32;
}

}  // namespace

void cp_async_bulk(u32 to, const void* from, u32 bytes, u32 at) {
  constexpr Operation operation = Operation::CopyBulk;
  Thread& me = *current;
  Cta& cta = *me.cta;
  check_operands(to, from, bytes);
  const uint32_t offset = check_shared_range(cta, to, bytes, operation);
  const GlobalPlace place = check_global(me, from, bytes, operation, false, unit);
  Mbarrier& barrier = find_mbarrier(at, operation);
  const AsyncProxy shared(cta, me.clock);
  if (cta.shadow && !shared.sees_barrier(barrier.init)) {
    fault_mbarrier(operation, barrier.offset, &barrier, "completes on an mbarrier whose init is not fenced");
  }
  count(cta.launch.result.counters, place.buffer.counters, place.offset, bytes);
  const AsyncProxy global(me.clock);
  for (uint32_t i = 0; i < bytes; i += unit) {
    const auto epoch = [&](AccessKind kind) {
      return me.clock.engine_access(barrier.engine, barrier.phase + 1, kind, operation);
    };
    record_global({place.buffer, place.number, place.offset + i}, unit,
                  {.epoch = epoch(AccessKind::Read), .clock = me.clock, .async = &global});
    record_shared(me, offset + i, unit, {.epoch = epoch(AccessKind::Write), .clock = me.clock, .async = &shared});
  }
  barrier.copied = barrier.phase + 1;
  const BulkCopy copy{&me, &barrier, barrier.phase, offset, from, bytes};
  const AsyncLanding landing = cta.launch.options.async;
  if (landing == AsyncLanding::Early || (landing == AsyncLanding::Random && cta.launch.draw(4))) {
    if (!land(cta, copy)) abandon();
  } else {
    cta.mbarriers.copies.push_back(copy);
  }
}

bool land_bulk_copies(Cta& cta) {
  std::deque<BulkCopy>& copies = cta.mbarriers.copies;
  Launch& launch = cta.launch;
  const bool random = launch.options.async == AsyncLanding::Random;
  while (!copies.empty() && (cta.ready_warps == 0 || (random && launch.draw(4)))) {
    const auto next = copies.begin() + static_cast<std::ptrdiff_t>(random ? launch.random() % copies.size() : 0);
    const BulkCopy copy = *next;
    copies.erase(next);
    if (!land(cta, copy)) return false;
  }
  return true;
}

void check_bulk_copies_awaited(const Cta& cta) {
  for (const auto& [offset, barrier] : cta.mbarriers.by_offset) {
    const auto is_mine = [&, mine = &barrier](const BulkCopy& copy) { return copy.barrier == mine; };
    const std::deque<BulkCopy>& copies = cta.mbarriers.copies;
    if (barrier.copied > barrier.awaited || std::any_of(copies.begin(), copies.end(), is_mine)) {
      fault_mbarrier(Operation::Exit, offset, &barrier,
                     "ends the CTA while a bulk copy that nobody waited for may be under way");
    }
  }
}

}  // namespace qoq::emulator
