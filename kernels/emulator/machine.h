// The running launch: threads, warps, CTAs and what they share.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "kernels/emulator/async_copies.h"
#include "kernels/emulator/async_proxy.h"
#include "kernels/emulator/clock.h"
#include "kernels/emulator/emulator.h"
#include "kernels/emulator/fiber.h"
#include "kernels/emulator/global_memory.h"
#include "kernels/emulator/mbarrier.h"
#include "kernels/emulator/request_log.h"
#include "kernels/emulator/shadow.h"
#include "kernels/emulator/wgmma.h"

namespace qoq::emulator {

struct Cta;
struct Launch;

constexpr uint32_t warp_size = 32;
constexpr uint32_t all_lanes = 0xffffffffu;

struct Warp {
  uint32_t index = 0;
  uint32_t ready = 0;    // lanes that could run now
  uint32_t arrived = 0;  // lanes that wait at `operation`
  uint32_t exited = 0;
  Operation operation = Operation::None;
  uint32_t key = 0;                      // what else the lanes must agree on
  std::array<void*, warp_size> slots{};  // what each waiting lane brought
  RequestLog requests;
  TensorCore tensor_core;
};

struct Thread {
  Fiber fiber;
  ThreadClock clock;
  AsyncCopies copies;
  ProxyFences proxy_fences;    // fence_proxy_async
  ProxyFences barrier_fences;  // fence_mbarrier_init
  Cta* cta = nullptr;
  Warp* warp = nullptr;
  uint32_t index = 0;
  uint32_t lane = 0;
  bool has_polled = false;
  const void* polls = nullptr;       // while it waits for news of this address
  const Mbarrier* awaits = nullptr;  // while it waits for its phase number awaits_phase
  uint32_t awaits_phase = 0;
  uint32_t lane_bit() const { return 1u << lane; }
};

struct Barrier {
  uint32_t expected = 0;  // threads
  std::vector<Warp*> warps;
};

struct Cta {
  Cta(Launch& of, uint32_t threads_count, uint32_t shared_bytes, bool races);
  Thread* warp_threads(const Warp& warp) { return &threads[warp.index * warp_size]; }

  Launch& launch;
  Dim3 index;
  uint32_t live = 0;          // threads that have not exited
  uint32_t ready_warps = 0;   // warps with a ready lane
  uint32_t current_warp = 0;  // whose lane ran last
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::array<Barrier, 16> barriers;
  Mbarriers mbarriers;
  std::vector<std::vector<WgmmaShape>> wgmma_shapes;  // per warpgroup, all that it has issued
  uint32_t engines = 0;                               // taken so far
  std::vector<ThreadClock*> meeting;                  // the clocks that meet at a barrier
  std::vector<std::byte> shared;
  std::unique_ptr<Shadow> shadow;  // none when races are not looked for
  Stacks stacks;
};

struct Launch {
  Launch(Memory& registered, const Options& chosen)
      : options(chosen), random(chosen.seed), memory(registered, chosen.races) {}
  bool draw(unsigned one_in) { return random() % one_in == 0; }

  void (*entry)(const void*) = nullptr;
  const void* args = nullptr;
  Dim3 grid;
  uint32_t threads = 0;
  uint32_t shared_bytes = 0;
  uint32_t half = 0;  // ThreadClock's: a power of two, at least `threads`
  Options options;
  std::mt19937_64 random;
  GlobalMemory memory;
  Result result;
  Fiber main;
  CtaClocksPtr zero_clocks;
  std::vector<std::unique_ptr<Cta>> running;
  std::vector<std::unique_ptr<Cta>> idle;
  uint64_t next_cta = 0;
  std::unordered_map<const void*, GridClocksPtr> released;  // per address that synchronises
  std::vector<Thread*> pollers;
  uint64_t news = 0;        // changes of global memory so far
  uint64_t woken_at = 0;    // news when pollers were last woken
  uint32_t idle_wakes = 0;  // wakes since without news
};

/// The thread running on this OS thread.
extern constinit thread_local Thread* current;

/// Ends the fiber of `current` for now: it runs again when its lane is ready.
void park();
/// Makes lanes of a warp ready.
void make_ready(Cta& cta, Warp& warp, uint32_t lanes);
/// Lets others go first, in a random schedule.
void maybe_yield();
/// A thread looks at `address` again and again: lets the others work before the second look and all later ones.
void poll(const void* address);
/// Counts the requests of lanes that have met.
void count_requests(Launch& launch, Warp& warp);
/// A new engine of the CTA; faults when there are too many for its clocks.
uint32_t take_engine(Cta& cta, Operation operation);
/// Builds the CTA's state anew for CTA number `linear`.
void start_cta(Launch& launch, Cta& cta, uint64_t linear);
/// Runs CTAs until all are done or one thread faults.
void run_ctas(Launch& launch);

}  // namespace qoq::emulator
