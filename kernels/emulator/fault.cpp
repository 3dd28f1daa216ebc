#include "kernels/emulator/fault.h"

#include <fmt/format.h>

#include <bit>
#include <cstdlib>
#include <string>

namespace qoq::emulator {

namespace {

std::string text(const Dim3& at) { return fmt::format("({},{},{})", at.x, at.y, at.z); }

std::string here() { return fmt::format("thread {} of CTA {}", current->index, text(current->cta->index)); }

std::string text(const Place& place) {
  return place.buffer == nullptr ? "memory" : fmt::format("{}+{}", place.buffer, place.offset);
}

/// Fills the result; destroys everything it made, unlike the functions that leave the fiber.
void report(FaultKind kind, Operation operation, Operation other, const Place& place, std::string sentence) {
  Result& result = current->cta->launch.result;
  result.fault = std::move(sentence);
  result.kind = kind;
  result.cta = current->cta->index;
  result.thread = current->index;
  result.operation = name_of(operation);
  if (other != Operation::None) result.other_operation = name_of(other);
  if (place.buffer != nullptr) result.buffer = place.buffer;
  result.offset = place.offset;
}

/// Whose engine this is, in a CTA that still runs.
std::string engine_text(const Cta& cta, uint32_t engine) {
  for (const auto& [offset, barrier] : cta.mbarriers.by_offset) {
    if (barrier.engine == engine) return fmt::format("the mbarrier at shared+{}", offset);
  }
  for (const Warp& warp : cta.warps) {
    if (warp.tensor_core.engine == engine) return fmt::format("warp {}", warp.index);
  }
  return "an engine";
}

std::string who(Epoch epoch, const Launch& launch) {
  const uint32_t cta = epoch.agent() / (4 * launch.half);
  const uint32_t agent = epoch.agent() % (4 * launch.half);
  const Dim3 at{cta % launch.grid.x, cta / launch.grid.x % launch.grid.y, cta / launch.grid.x / launch.grid.y};
  std::string who = fmt::format("thread {}", agent % launch.half);
  if (agent >= 2 * launch.half) {
    who = at == current->cta->index ? engine_text(*current->cta, agent - 2 * launch.half) : "an engine";
  }
  return who + " of CTA " + text(at);
}

/// "phase 3: 1 of 2 arrivals missing, 512 bytes missing"
std::string state_of(const Mbarrier& barrier) {
  std::string state = fmt::format("phase {}: {} of {} arrivals missing", barrier.phase, barrier.missing, barrier.count);
  if (barrier.bytes > 0) state += fmt::format(", {} bytes missing", barrier.bytes);
  if (barrier.bytes < 0) state += fmt::format(", {} bytes more than expected", -barrier.bytes);
  return state;
}

std::string access_sentence(FaultKind kind, Operation operation, const Place& place, uint64_t size, uint64_t bytes) {
  const std::string start = fmt::format("{} of {} bytes at {} by {}", name_of(operation), size, text(place), here());
  switch (kind) {
    case FaultKind::OutOfBounds:
      if (place.buffer == nullptr) return start + " is outside every registered buffer";
      return fmt::format("{} is out of bounds: {} has {} bytes", start, place.buffer, bytes);
    case FaultKind::Misaligned:
      return fmt::format("{} is not aligned to {}", start, size);
    case FaultKind::ReadOnlyWrite:
      return start + " writes to read-only memory";
    default:
      return start + " reads bytes that nobody wrote";
  }
}

std::string race_sentence(Operation operation, const Place& place, uint64_t size, Epoch other) {
  const Operation first = other.operation();
  return fmt::format("race: {} of {} bytes at {} by {} is not ordered after the {} of {}", name_of(operation), size,
                     text(place), here(), name_of(first), who(other, current->cta->launch));
}

std::string fence_sentence(Operation operation, const Place& place, uint64_t size, Epoch other, bool shared) {
  return fmt::format("missing fence: {} of {} bytes at {} by {} goes through the async proxy, and {} after its {}{}",
                     name_of(operation), size, text(place), here(), who(other, current->cta->launch),
                     name_of(other.operation()),
                     shared ? " did not call fence_proxy_async before they synchronised"
                            : " cannot fence global memory (fence_proxy_async is for shared memory)");
}

std::string mbarrier_sentence(Operation operation, uint32_t offset, const Mbarrier* barrier, const char* sentence) {
  std::string all = fmt::format("{} at shared+{} by {} {}", name_of(operation), offset, here(), sentence);
  return barrier == nullptr ? all : all + " (" + state_of(*barrier) + ")";
}

std::string divergence_sentence(Operation operation) {
  const Warp& warp = *current->warp;
  std::string others = warp.exited != 0
                           ? fmt::format("lanes {:#010x} have exited", warp.exited)
                           : fmt::format("lanes {:#010x} wait at {}", warp.arrived, name_of(warp.operation));
  if (warp.exited == 0 && warp.operation == operation) others += " with other operands";
  return fmt::format("divergence: lane {} of warp {} of CTA {} arrives at {} while {}", current->lane, warp.index,
                     text(current->cta->index), name_of(operation), others);
}

/// What a warp is doing, without its number.
std::string state_of(Cta& cta, const Warp& warp) {
  if (warp.exited == all_lanes) return "exited";
  if (warp.arrived == all_lanes) return fmt::format("wait at {}", name_of(warp.operation));
  std::string state;
  if (warp.arrived != 0) state = fmt::format("lanes {:#010x} wait at {}", warp.arrived, name_of(warp.operation));
  for (uint32_t lane = 0; lane < warp_size; ++lane) {
    const Thread& thread = cta.warp_threads(warp)[lane];
    if (thread.awaits != nullptr) {
      return state + fmt::format("{}lane {} waits at the mbarrier at shared+{} ({})", state.empty() ? "" : ", ", lane,
                                 thread.awaits->offset, state_of(*thread.awaits));
    }
    const void* address = thread.polls;
    if (address == nullptr) continue;
    const auto* buffer = cta.launch.memory.near(address);
    const auto offset = static_cast<size_t>(static_cast<const std::byte*>(address) - buffer->data);
    return state + fmt::format("{}lane {} polls {}+{}", state.empty() ? "" : ", ", lane, buffer->name, offset);
  }
  return state;
}

/// "warps 0…3 wait at sync_threads; warp 4 exited"
std::string states_of(Cta& cta) {
  std::string all;
  for (size_t i = 0; i < cta.warps.size();) {
    const std::string state = state_of(cta, cta.warps[i]);
    const size_t first = i;
    while (++i < cta.warps.size() && state_of(cta, cta.warps[i]) == state) {
    }
    all += all.empty() ? "" : "; ";
    all +=
        i - first == 1 ? fmt::format("warp {} {}", first, state) : fmt::format("warps {}…{} {}", first, i - 1, state);
  }
  return all;
}

}  // namespace

const char* name_of(Operation operation) {
  switch (operation) {
    case Operation::None:
      return "nothing";
    case Operation::SyncThreads:
      return "sync_threads";
    case Operation::SyncNamed:
      return "sync_named";
    case Operation::SyncWarp:
      return "sync_warp";
    case Operation::Shuffle:
      return "shuffle";
    case Operation::Vote:
      return "vote";
    case Operation::TransposeMatrix:
      return "movmatrix";
    case Operation::LoadGlobal:
      return "load_global";
    case Operation::LoadReadonly:
      return "load_readonly";
    case Operation::StoreGlobal:
      return "store_global";
    case Operation::AtomicAddAcqRel:
      return "atomic_add_acq_rel";
    case Operation::AtomicAddRelaxed:
      return "atomic_add_relaxed";
    case Operation::LoadAcquire:
      return "load_acquire";
    case Operation::StoreRelease:
      return "store_release";
    case Operation::LoadShared:
      return "load_shared";
    case Operation::StoreShared:
      return "store_shared";
    case Operation::CopyAsync:
      return "cp_async_16";
    case Operation::LoadMatrix:
      return "ldmatrix";
    case Operation::Mma:
      return "mma";
    case Operation::Exit:
      return "exit";
    case Operation::MbarrierInit:
      return "mbarrier_init";
    case Operation::MbarrierArrive:
      return "mbarrier_arrive";
    case Operation::MbarrierArriveExpectTx:
      return "mbarrier_arrive_expect_tx";
    case Operation::MbarrierWait:
      return "mbarrier_wait";
    case Operation::FenceMbarrierInit:
      return "fence_mbarrier_init";
    case Operation::FenceProxyAsync:
      return "fence_proxy_async";
    case Operation::CopyBulk:
      return "cp_async_bulk";
    case Operation::Wgmma:
      return "wgmma";
    case Operation::WgmmaFence:
      return "wgmma_fence";
    case Operation::WgmmaCommit:
      return "wgmma_commit";
    case Operation::WgmmaWait:
      return "wgmma_wait";
    case Operation::SetMaxRegisters:
      return "setmaxnreg";
  }
  return "?";
}

void fault_access(FaultKind kind, Operation operation, Place place, uint64_t size, uint64_t bytes) {
  report(kind, operation, Operation::None, place, access_sentence(kind, operation, place, size, bytes));
  abandon();
}

void fault_shadow(Place place, uint64_t size, const Shadow::Request& request, Epoch other) {
  const Operation operation = request.epoch.operation();
  if (other == Shadow::unwritten()) fault_access(FaultKind::Uninitialised, operation, place, size, 0);
  if (request.async != nullptr && request.clock.happens_before(other)) {
    report(FaultKind::MissingFence, operation, other.operation(), place,
           fence_sentence(operation, place, size, other, request.async->is_shared()));
    abandon();
  }
  const bool readonly = operation == Operation::LoadReadonly || other.kind() == AccessKind::ReadonlyRead;
  report(readonly ? FaultKind::ReadOnlyWrite : FaultKind::Race, operation, other.operation(), place,
         race_sentence(operation, place, size, other));
  abandon();
}

void fault_divergence(Operation operation) {
  const Warp& warp = *current->warp;
  report(FaultKind::Divergence, operation, warp.exited != 0 ? Operation::Exit : warp.operation, {nullptr, 0},
         divergence_sentence(operation));
  abandon();
}

void fault_operand(Operation operation, const char* sentence) {
  report(FaultKind::IllegalOperand, operation, Operation::None, {nullptr, 0},
         fmt::format("{} by {}: {}", name_of(operation), here(), sentence));
  abandon();
}

void fault_warpgroup(const char* sentence) {
  report(FaultKind::Divergence, Operation::Wgmma, Operation::None, {nullptr, 0},
         fmt::format("divergence: warp {} of CTA {} {}", current->warp->index, text(current->cta->index), sentence));
  abandon();
}

void fault_registers(Operation operation, const char* sentence) {
  report(FaultKind::Registers, operation, Operation::None, {nullptr, 0},
         fmt::format("{} by {}: {}", name_of(operation), here(), sentence));
  abandon();
}

void fault_mbarrier(Operation operation, uint32_t offset, const Mbarrier* barrier, const char* sentence) {
  report(FaultKind::MbarrierMisuse, operation, Operation::None, {"shared", offset},
         mbarrier_sentence(operation, offset, barrier, sentence));
  abandon();
}

void report_mbarrier(Thread& thread, Operation operation, const Mbarrier& barrier, const char* sentence) {
  current = &thread;
  report(FaultKind::MbarrierMisuse, operation, Operation::None, {"shared", barrier.offset},
         mbarrier_sentence(operation, barrier.offset, &barrier, sentence));
}

void abandon() {
  Thread& me = *current;
  switch_fiber(me.fiber, me.cta->launch.main, true);
  std::abort();
}

void report_deadlock(Launch& launch) {
  constexpr size_t shown = 4;
  std::string sentence = "deadlock:";
  for (size_t i = 0; i < launch.running.size() && i < shown; ++i) {
    sentence +=
        fmt::format("{} CTA {}: {}", i == 0 ? "" : ".", text(launch.running[i]->index), states_of(*launch.running[i]));
  }
  if (launch.running.size() > shown) sentence += fmt::format(". And {} CTAs more", launch.running.size() - shown);
  const uint64_t waiting = launch.grid.count() - launch.next_cta;
  if (waiting > 0) {
    sentence +=
        fmt::format(". {} CTAs have not started: only {} may be resident", waiting, launch.options.resident_ctas);
  }
  Cta& cta = *launch.running.front();
  for (Thread& thread : cta.threads) {
    const Warp& warp = *thread.warp;
    const bool waits = (warp.arrived & thread.lane_bit()) != 0;
    if (!waits && thread.polls == nullptr && thread.awaits == nullptr) continue;
    current = &thread;
    const Operation stuck = thread.awaits != nullptr ? Operation::MbarrierWait : Operation::LoadAcquire;
    report(FaultKind::Deadlock, waits ? warp.operation : stuck, Operation::None, {nullptr, 0}, std::move(sentence));
    return;
  }
}

}  // namespace qoq::emulator
