// One thread's access to shared memory: bounds, alignment, race detection.
#pragma once
#include "kernels/emulator/api.h"
#include "kernels/emulator/fault.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

/// Byte offset in shared memory of `bytes` bytes at address `at`; the caller checks the alignment.
inline uint32_t check_shared_range(const Cta& cta, uint32_t at, uint32_t bytes, Operation operation) {
  const uint32_t offset = at - shared_window;  // wraps below the window, and is out of bounds then
  if (uint64_t{offset} + bytes > cta.shared.size()) {
    fault_access(FaultKind::OutOfBounds, operation, {"shared", offset}, bytes, cta.shared.size());
  }
  return offset;
}

/// The same of one access, aligned to its size.
inline uint32_t check_shared(const Cta& cta, uint32_t at, uint32_t size, Operation operation) {
  const uint32_t offset = check_shared_range(cta, at, size, operation);
  if (offset % size != 0) fault_access(FaultKind::Misaligned, operation, {"shared", offset}, size, 0);
  return offset;
}

inline void record_shared(const Thread& me, uint32_t offset, uint32_t size, const Shadow::Request& request) {
  if (!me.cta->shadow) return;
  const Epoch other = me.cta->shadow->access(offset, size, request);
  if (other) fault_shadow({"shared", offset}, size, request, other);
}

inline void record_shared_read(const Thread& me, uint32_t offset, uint32_t size, Operation operation) {
  record_shared(me, offset, size, {me.clock.access(AccessKind::Read, operation), me.clock, true});
}

}  // namespace qoq::emulator
