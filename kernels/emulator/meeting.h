// Warp collectives: the 32 lanes of a warp meet, the last one to arrive does the work for all.
#pragma once
#include "kernels/emulator/fault.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

/// The current lane arrives at `operation`; `key` says what else all lanes must agree on. True for the last lane.
inline bool arrive(Operation operation, uint32_t key, void* slot) {
  Thread& me = *current;
  Warp& warp = *me.warp;
  if (warp.exited != 0) fault_divergence(operation);
  if (warp.arrived == 0) {
    warp.operation = operation;
    warp.key = key;
  } else if (warp.operation != operation || warp.key != key) {
    fault_divergence(operation);
  }
  warp.slots[me.lane] = slot;
  warp.arrived |= me.lane_bit();
  return warp.arrived == all_lanes;
}

/// Meets the warp's other lanes; `work(lanes)` is done once, lanes[i] being what lane i brought.
template <class T, class Work>
void meet(Operation operation, uint32_t key, T& mine, Work&& work) {
  if (!arrive(operation, key, &mine)) return park();
  Thread& me = *current;
  Warp& warp = *me.warp;
  Launch& launch = me.cta->launch;
  if (!warp.requests.empty()) count_requests(launch, warp);
  ++launch.result.counters.collectives;
  std::array<T*, warp_size> lanes;
  for (uint32_t i = 0; i < warp_size; ++i) lanes[i] = static_cast<T*>(warp.slots[i]);
  work(lanes);
  warp.arrived = 0;
  make_ready(*me.cta, warp, all_lanes & ~me.lane_bit());
  maybe_yield();
}

}  // namespace qoq::emulator
