#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/emulator/fault.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

constinit thread_local Thread* current = nullptr;

namespace {

constexpr std::byte poison{0xcd};               // what shared memory holds before anybody writes
constexpr uint32_t idle_wakes_allowed = 10000;  // looks at unchanged memory before pollers count as stuck
constexpr unsigned change_cta_one_in = 32;

uint32_t random_bit(Launch& launch, uint32_t bits) {
  for (auto skip = static_cast<uint32_t>(launch.random() % static_cast<unsigned>(std::popcount(bits))); skip > 0;
       --skip) {
    bits &= bits - 1;
  }
  return static_cast<uint32_t>(std::countr_zero(bits));
}

/// The next ready thread of the CTA, made unready; null when there is none (or, at random, when another CTA's turn
/// has come; or after a fault). Bulk copies land here. Keeps to the current warp, then goes to the next one round the
/// CTA.
Thread* pick(Cta& cta) {
  if (!cta.mbarriers.copies.empty() && !land_bulk_copies(cta)) return nullptr;
  if (cta.ready_warps == 0) return nullptr;
  Launch& launch = cta.launch;
  uint32_t index = cta.current_warp;
  const bool random = launch.options.schedule == Schedule::Random;
  if (random) {
    if (launch.draw(change_cta_one_in)) return nullptr;
    index = random_bit(launch, cta.ready_warps);
  } else if ((cta.ready_warps >> index & 1) == 0) {
    const uint32_t later = cta.ready_warps & ~((2u << index) - 1);
    index = static_cast<uint32_t>(std::countr_zero(later != 0 ? later : cta.ready_warps));
  }
  Warp& warp = cta.warps[index];
  const uint32_t lane = random ? random_bit(launch, warp.ready) : static_cast<uint32_t>(std::countr_zero(warp.ready));
  warp.ready &= ~(1u << lane);
  if (warp.ready == 0) cta.ready_warps &= ~(1u << index);
  cta.current_warp = index;
  return cta.warp_threads(warp) + lane;
}

void run_thread() {
  Thread& me = *current;
  Cta& cta = *me.cta;
  cta.launch.entry(cta.launch.args);
  if (me.warp->arrived != 0) fault_divergence(Operation::Exit);
  if (!me.warp->tensor_core.idle()) fault_registers(Operation::Exit, "a wgmma is unfinished: no wgmma_wait for it");
  if (cta.live == 1) {
    check_bulk_copies_awaited(cta);
    check_warpgroups_agree(cta);
  }
  me.warp->exited |= me.lane_bit();
  if (me.warp->exited == all_lanes) count_requests(cta.launch, *me.warp);
  // A CTA's last thread returns to the scheduler, which may use this stack anew.
  Thread* next = --cta.live > 0 ? pick(cta) : nullptr;
  current = next;
  switch_fiber(me.fiber, next != nullptr ? next->fiber : cta.launch.main, true);
  std::abort();  // nobody switches to a finished fiber
}

Cta& take_cta(Launch& launch) {
  if (launch.idle.empty()) {
    launch.idle.push_back(std::make_unique<Cta>(launch, launch.threads, launch.shared_bytes, launch.options.races));
  }
  launch.running.push_back(std::move(launch.idle.back()));
  launch.idle.pop_back();
  start_cta(launch, *launch.running.back(), launch.next_cta++);
  return *launch.running.back();
}

bool can_start(const Launch& launch) {
  const auto limit = static_cast<size_t>(launch.options.resident_ctas);
  return launch.next_cta < launch.grid.count() && (limit == 0 || launch.running.size() < limit);
}

/// Pollers look again. False when they have looked often enough at memory that nobody changes.
bool wake_pollers(Launch& launch) {
  if (launch.news != launch.woken_at) launch.idle_wakes = 0;
  launch.woken_at = launch.news;
  if (++launch.idle_wakes > idle_wakes_allowed) return false;
  for (Thread* thread : std::exchange(launch.pollers, {})) {
    thread->polls = nullptr;
    make_ready(*thread->cta, *thread->warp, thread->lane_bit());
  }
  return true;
}

/// The first CTA that can go on; a new one when none can.
Cta* choose_first(Launch& launch) {
  for (const auto& cta : launch.running) {
    if (cta->ready_warps != 0) return cta.get();
  }
  return can_start(launch) ? &take_cta(launch) : nullptr;
}

Cta* choose_random(Launch& launch) {
  std::vector<Cta*> able;
  for (const auto& cta : launch.running) {
    if (cta->ready_warps != 0) able.push_back(cta.get());
  }
  const size_t choices = able.size() + (can_start(launch) ? 1 : 0);
  if (!launch.pollers.empty() && (choices == 0 || launch.draw(8))) return nullptr;
  if (choices == 0) return nullptr;
  const size_t choice = launch.random() % choices;
  return choice < able.size() ? able[choice] : &take_cta(launch);
}

}  // namespace

void park() {
  Thread& me = *current;
  Thread* next = pick(*me.cta);
  if (next == &me) return;
  current = next;
  switch_fiber(me.fiber, next != nullptr ? next->fiber : me.cta->launch.main);
}

void make_ready(Cta& cta, Warp& warp, uint32_t lanes) {
  warp.ready |= lanes;
  if (lanes != 0) cta.ready_warps |= 1u << warp.index;
}

void maybe_yield() {
  Thread& me = *current;
  Launch& launch = me.cta->launch;
  if (launch.options.schedule != Schedule::Random || launch.draw(2)) return;
  make_ready(*me.cta, *me.warp, me.lane_bit());
  park();
}

void poll(const void* address) {
  Thread& me = *current;
  if (std::exchange(me.has_polled, true)) {
    me.polls = address;
    me.cta->launch.pollers.push_back(&me);
    park();
  }
}

uint32_t take_engine(Cta& cta, Operation operation) {
  if (cta.engines == cta.launch.half)
    fault_operand(operation, "the CTA has more mbarriers and wgmma warps than threads");
  return cta.engines++;
}

void start_cta(Launch& launch, Cta& cta, uint64_t linear) {
  cta.index = {static_cast<uint32_t>(linear % launch.grid.x),
               static_cast<uint32_t>(linear / launch.grid.x % launch.grid.y),
               static_cast<uint32_t>(linear / launch.grid.x / launch.grid.y)};
  cta.live = launch.threads;
  cta.current_warp = 0;
  std::fill(cta.shared.begin(), cta.shared.end(), poison);
  if (cta.shadow) cta.shadow->reset();
  cta.mbarriers = {};
  for (auto& shapes : cta.wgmma_shapes) shapes.clear();
  cta.engines = 0;
  for (Warp& warp : cta.warps) {
    warp.exited = 0;
    warp.tensor_core = {};
    make_ready(cta, warp, all_lanes);
  }
  for (Thread& thread : cta.threads) {
    thread.clock.start(static_cast<uint32_t>(linear), thread.index, launch.half, launch.zero_clocks);
    thread.copies = {};
    thread.proxy_fences.clear();
    thread.barrier_fences.clear();
    thread.has_polled = false;
    cta.stacks.prepare(thread.fiber, thread.index, run_thread);
  }
  ++launch.result.counters.ctas;
}

void run_ctas(Launch& launch) {
  const bool random = launch.options.schedule == Schedule::Random;
  for (;;) {
    Cta* cta = random ? choose_random(launch) : choose_first(launch);
    if (cta == nullptr) {
      if (launch.running.empty()) return;
      if (!launch.pollers.empty() && wake_pollers(launch)) continue;
      if (std::any_of(launch.running.begin(), launch.running.end(), [](auto& c) { return c->ready_warps != 0; }))
        continue;
      return report_deadlock(launch);
    }
    current = pick(*cta);
    if (launch.result.fault) return;
    if (current == nullptr) continue;
    switch_fiber(launch.main, current->fiber);
    if (launch.result.fault) return;
    if (cta->live == 0) {
      const auto found =
          std::find_if(launch.running.begin(), launch.running.end(), [&](auto& c) { return c.get() == cta; });
      launch.idle.push_back(std::move(*found));
      launch.running.erase(found);
    }
  }
}

}  // namespace qoq::emulator
