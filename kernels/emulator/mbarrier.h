// mbarriers: counted arrivals and transaction bytes, phase by phase (PTX: "mbarrier").
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "kernels/emulator/clock.h"

namespace qoq::emulator {

struct Cta;
struct Thread;

struct Mbarrier {
  uint32_t offset;       // in shared memory
  uint32_t engine;       // its number among the CTA's; the clock is the number of completed phases
  uint32_t count;        // arrivals that a phase needs
  uint32_t missing;      // arrivals of this phase still to come
  int64_t bytes = 0;     // expected less copied, this phase
  uint32_t phase = 0;    // completed so far: the number of the current one
  uint32_t copied = 0;   // phases up to this number (from 1) have bulk copies
  uint32_t awaited = 0;  // phases up to this number have been waited for
  Epoch init;
  PhaseClocks open;               // what this phase's arrivals have released
  PhaseClocks done;               // what the last phase's did
  std::vector<Thread*> waiting;   // for this phase
  std::vector<Thread*> released;  // waited for the last one; some may not have gone on yet
};

/// A bulk copy that has not landed.
struct BulkCopy {
  Thread* thread;
  Mbarrier* barrier;
  uint32_t phase;
  uint32_t to;  // offset in shared memory
  const void* from;
  uint32_t bytes;
};

/// A CTA's mbarriers and the copies that will complete on them.
struct Mbarriers {
  std::map<uint32_t, Mbarrier> by_offset;
  std::deque<BulkCopy> copies;
};

/// The barrier at shared address `at`, initialised before by what the current thread knows; else a fault.
Mbarrier& find_mbarrier(uint32_t at, Operation operation);
/// Completes the phase when all is there: its waiters become ready. False when a waiter of the phase before has not
/// gone on yet: it would miss that phase.
bool complete_phase(Cta& cta, Mbarrier& barrier);
/// Lands copies until a lane is ready (at random, also when one is). False after a fault, which is recorded.
bool land_bulk_copies(Cta& cta);
/// The CTA's last thread is about to exit: a copy that nobody has waited for is a fault.
void check_bulk_copies_awaited(const Cta& cta);

}  // namespace qoq::emulator
