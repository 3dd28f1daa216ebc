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
/// The shadow refused an access: a race with `other`, a write to read-only bytes or one that the async proxy does not
/// see, or nobody wrote.
[[noreturn]] void fault_shadow(Place place, uint64_t size, const Shadow::Request& request, Epoch other);
/// The current lane arrives at `operation` while others of its warp wait elsewhere or have exited.
[[noreturn]] void fault_divergence(Operation operation);
[[noreturn]] void fault_operand(Operation operation, const char* sentence);
/// The current warp parts from the other three of its warpgroup.
[[noreturn]] void fault_warpgroup(const char* sentence);
/// Registers of a wgmma.
[[noreturn]] void fault_registers(Operation operation, const char* sentence);
/// `barrier`: null where there is none at this offset of shared memory.
[[noreturn]] void fault_mbarrier(Operation operation, uint32_t offset, const Mbarrier* barrier, const char* sentence);
/// The same, told of `thread`, returning: for work that no fiber does.
void report_mbarrier(Thread& thread, Operation operation, const Mbarrier& barrier, const char* sentence);
/// After a report: leaves the current fiber.
[[noreturn]] void abandon();
/// Nobody can run. Returns: the scheduler reports it.
void report_deadlock(Launch& launch);

}  // namespace qoq::emulator
