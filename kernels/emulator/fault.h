// Ending a launch with a fault. Those marked noreturn leave the faulting fiber for good.
#pragma once
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

/// Where an access went.
struct Place {
  const char* buffer;  // "shared" or a buffer's name; null: none known
  uint64_t offset;
};

/// OutOfBounds, Misaligned, ReadOnlyWrite, Uninitialised. `bytes`: the buffer's size.
[[noreturn]] void fault_access(FaultKind kind, Operation operation, Place place, uint64_t size, uint64_t bytes);
/// An access of a shadowed place failed: a race with `other`, a write to read-only bytes, or nobody wrote.
[[noreturn]] void fault_shadow(Operation operation, Place place, uint64_t size, Epoch other);
/// The current lane arrives at `operation` while others of its warp wait elsewhere or have exited.
[[noreturn]] void fault_divergence(Operation operation);
[[noreturn]] void fault_operand(Operation operation, const char* sentence);
/// Nobody can run. Returns: the scheduler reports it.
void report_deadlock(Launch& launch);

}  // namespace qoq::emulator
