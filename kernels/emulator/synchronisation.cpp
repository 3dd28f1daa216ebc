// Barriers and shuffles.
#include "kernels/emulator/api.h"
#include "kernels/emulator/meeting.h"

namespace qoq::emulator {

namespace {

/// All the barrier's warps are here: their threads learn what each of them knows, and go on.
void complete(Cta& cta, Barrier& barrier) {
  cta.meeting.clear();
  for (Warp* warp : barrier.warps) {
    Thread* threads = cta.warp_threads(*warp);
    for (uint32_t lane = 0; lane < warp_size; ++lane) cta.meeting.push_back(&threads[lane].clock);
  }
  ThreadClock::meet(cta.meeting.data(), cta.meeting.size());
  for (Warp* warp : barrier.warps) {
    warp->arrived = 0;
    make_ready(cta, *warp, warp == current->warp ? all_lanes & ~current->lane_bit() : all_lanes);
  }
  barrier.warps.clear();
  ++cta.launch.result.counters.barriers;
}

void wait_at_barrier(Operation operation, uint32_t id, uint32_t count) {
  if (!arrive(operation, id << 16 | count, nullptr)) return park();
  Cta& cta = *current->cta;
  Barrier& barrier = cta.barriers[id];
  if (barrier.warps.empty()) {
    barrier.expected = count;
  } else if (barrier.expected != count) {
    fault_operand(operation, "other warps wait there with another thread count");
  }
  count_requests(cta.launch, *current->warp);
  barrier.warps.push_back(current->warp);
  if (barrier.warps.size() * warp_size < count) return park();
  complete(cta, barrier);
  maybe_yield();
}

template <class Source>
u32 shuffle_from(u32 value, Source&& source) {
  struct Lane {
    u32 value;
    u32 source;
    u32 result;
  } mine{value, source(current->lane) % warp_size, 0};
  meet(Operation::Shuffle, 0, mine, [](auto& lanes) {
    for (Lane* lane : lanes) lane->result = lanes[lane->source]->value;
  });
  return mine.result;
}

}  // namespace

void sync_threads() { wait_at_barrier(Operation::SyncThreads, 0, current->cta->launch.threads); }

void sync_named(u32 id, u32 count) {
  if (id < 1 || id > 15) fault_operand(Operation::SyncNamed, "a named barrier has a number from 1 to 15");
  if (count == 0 || count % warp_size != 0 || count > current->cta->launch.threads) {
    fault_operand(Operation::SyncNamed, "the thread count must be a multiple of 32, at most the CTA's");
  }
  wait_at_barrier(Operation::SyncNamed, id, count);
}

void sync_warp() {
  ThreadClock& mine = current->clock;
  meet(Operation::SyncWarp, 0, mine, [](auto& clocks) { ThreadClock::meet(clocks.data(), clocks.size()); });
}

u32 shuffle_xor(u32 value, u32 mask) {
  return shuffle_from(value, [mask](u32 lane) { return lane ^ mask; });
}

u32 shuffle(u32 value, u32 lane) {
  return shuffle_from(value, [lane](u32) { return lane; });
}

bool any_of_warp(bool condition) {
  bool mine = condition;
  meet(Operation::Vote, 0, mine, [](auto& lanes) {
    bool any = false;
    for (const bool* lane : lanes) any = any || *lane;
    for (bool* lane : lanes) *lane = any;
  });
  return mine;
}

u32 transpose_matrix(u32 value) {
  u32 mine = value;
  meet(Operation::TransposeMatrix, 0, mine, [](auto& lanes) {
    u16 matrix[8][8];
    for (u32 lane = 0; lane < warp_size; ++lane) {
      for (u32 e = 0; e < 2; ++e) matrix[lane / 4][lane % 4 * 2 + e] = static_cast<u16>(*lanes[lane] >> (16 * e));
    }
    for (u32 lane = 0; lane < warp_size; ++lane) {
      const u32 row = lane / 4, pair = lane % 4 * 2;
      *lanes[lane] = matrix[pair][row] | static_cast<u32>(matrix[pair + 1][row]) << 16;
    }
  });
  return mine;
}

}  // namespace qoq::emulator
