#include "kernels/emulator/global_memory.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "kernels/base/error.h"
#include "kernels/emulator/api.h"
#include "kernels/emulator/global_access.h"

namespace qoq::emulator {

void Memory::add(const std::string& name, void* data, size_t bytes, Access access) {
  if (bytes == 0) return;
  auto* begin = static_cast<std::byte*>(data);
  if (reinterpret_cast<uintptr_t>(begin) % 16 != 0)
    fail("emulated buffer {}: its address is not 16-byte aligned", name);
  for (const Buffer& other : buffers_) {
    if (other.name == name) fail("emulated buffer {}: the name is taken", name);
    if (begin < other.data + other.bytes && other.data < begin + bytes) {
      fail("emulated buffer {}: overlaps buffer {}", name, other.name);
    }
  }
  Buffer buffer{name, begin, bytes, access, {}};
  if (access == Access::Scratch) buffer.initialised.resize(bytes);
  const auto after = std::find_if(buffers_.begin(), buffers_.end(), [&](const Buffer& b) { return b.data > begin; });
  buffers_.insert(after, std::move(buffer));
}

void Memory::add(const std::string& name, const void* data, size_t bytes) {
  add(name, const_cast<void*>(data), bytes, Access::ReadOnly);  // never written: a write is a fault
}

GlobalMemory::GlobalMemory(Memory& memory, bool races) {
  for (Memory::Buffer& buffer : memory.buffers_) {
    const bool shadowed = races && buffer.access != Access::ReadOnly;
    buffers_.push_back({buffer.name.c_str(),
                        buffer.data,
                        buffer.bytes,
                        buffer.access,
                        buffer.access == Access::Scratch ? &buffer.initialised : nullptr,
                        shadowed ? std::make_unique<Shadow>(buffer.bytes) : nullptr,
                        {}});
  }
}

GlobalMemory::Buffer* GlobalMemory::near(const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  if (buffers_.empty()) return nullptr;
  if (at >= buffers_[last_].data && at < buffers_[last_].data + buffers_[last_].bytes) return &buffers_[last_];
  last_ = 0;
  while (last_ + 1 < buffers_.size() && buffers_[last_ + 1].data <= at) ++last_;
  return &buffers_[last_];
}

void GlobalMemory::report(std::map<std::string, BufferCounters>& counters) const {
  for (const Buffer& buffer : buffers_) counters[buffer.name] = buffer.counters;
}

namespace {

void load(void* to, const void* from, u32 size, AccessKind kind, Operation operation, const void* site) {
  Thread& me = *current;
  const GlobalPlace place = check_global(me, from, size, operation, false);
  me.warp->requests.add_global(site, operation, me.lane, size, place.number, place.offset);
  record_global(place, size, {me.clock.access(kind, operation), me.clock});
  std::memcpy(to, from, size);
}

}  // namespace

void load_global(void* to, const void* from, u32 size) {
  load(to, from, size, AccessKind::Read, Operation::LoadGlobal, __builtin_return_address(0));
}

void load_readonly(void* to, const void* from, u32 size) {
  load(to, from, size, AccessKind::ReadonlyRead, Operation::LoadReadonly, __builtin_return_address(0));
}

void store_global(void* to, const void* from, u32 size) {
  Thread& me = *current;
  const GlobalPlace place = check_global(me, to, size, Operation::StoreGlobal, true);
  me.warp->requests.add_global(__builtin_return_address(0), Operation::StoreGlobal, me.lane, size, place.number,
                               place.offset);
  record_global(place, size,
                {.epoch = me.clock.access(AccessKind::Write, Operation::StoreGlobal),
                 .clock = me.clock,
                 .same_value = std::memcmp(to, from, size) == 0});
  std::memcpy(to, from, size);
  ++me.cta->launch.news;
}

}  // namespace qoq::emulator
