// One thread's access to global memory: bounds, alignment, initialised bytes, race detection.
#pragma once
#include <algorithm>

#include "kernels/emulator/fault.h"
#include "kernels/emulator/machine.h"

namespace qoq::emulator {

struct GlobalPlace {
  GlobalMemory::Buffer& buffer;
  uint32_t number;
  uint64_t offset;
};

/// Finds the buffer and checks the access; a write makes Scratch bytes initialised, anything else needs them so.
inline GlobalPlace check_global(const Thread& me, const void* address, uint32_t size, Operation operation, bool write,
                                uint32_t alignment) {
  GlobalMemory& memory = me.cta->launch.memory;
  GlobalMemory::Buffer* buffer = memory.near(address);
  if (buffer == nullptr || address < buffer->data) {
    fault_access(FaultKind::OutOfBounds, operation, {nullptr, 0}, size, 0);
  }
  const auto offset = static_cast<uint64_t>(static_cast<const std::byte*>(address) - buffer->data);
  if (offset >= buffer->bytes || size > buffer->bytes - offset) {
    fault_access(FaultKind::OutOfBounds, operation, {buffer->name, offset}, size, buffer->bytes);
  }
  if (offset % alignment != 0) fault_access(FaultKind::Misaligned, operation, {buffer->name, offset}, size, 0);
  if (buffer->initialised != nullptr) {
    const auto first = buffer->initialised->begin() + static_cast<std::ptrdiff_t>(offset);
    if (write) {
      std::fill_n(first, size, true);
    } else if (std::find(first, first + size, false) != first + size) {
      fault_access(FaultKind::Uninitialised, operation, {buffer->name, offset}, size, 0);
    }
  }
  return {*buffer, memory.number_of(*buffer), offset};
}

inline GlobalPlace check_global(const Thread& me, const void* address, uint32_t size, Operation operation, bool write) {
  return check_global(me, address, size, operation, write, size);
}

/// Records a checked access; a write to read-only memory is refused here.
inline void record_global(const GlobalPlace& place, uint32_t size, const Shadow::Request& request) {
  const AccessKind kind = request.epoch.kind();
  if (place.buffer.access == Access::ReadOnly) {
    if (kind != AccessKind::Write && kind != AccessKind::AtomicWrite) return;
    fault_access(FaultKind::ReadOnlyWrite, request.epoch.operation(), {place.buffer.name, place.offset}, size, 0);
  }
  if (!place.buffer.shadow) return;
  const Epoch other = place.buffer.shadow->access(place.offset, size, request);
  if (other) fault_shadow({place.buffer.name, place.offset}, size, request, other);
}

}  // namespace qoq::emulator
