#include "kernels/emulator/async_copies.h"

#include <cstring>

#include "kernels/emulator/api.h"
#include "kernels/emulator/global_access.h"
#include "kernels/emulator/shared_memory.h"

namespace qoq::emulator {

namespace {

constexpr uint32_t copy_bytes = 16;

void land(Cta& cta, const AsyncCopies::Copy& copy) {
  std::byte* to = &cta.shared[copy.offset];
  if (copy.from != nullptr) {
    std::memcpy(to, copy.from, copy_bytes);
  } else {
    std::memset(to, 0, copy_bytes);
  }
}

}  // namespace

void cp_async_16(u32 to, const void* from, bool valid) {
  Thread& me = *current;
  Launch& launch = me.cta->launch;
  const uint32_t offset = check_shared(*me.cta, to, copy_bytes, Operation::CopyAsync);
  const void* site = __builtin_return_address(0);
  const uint32_t group = me.copies.open_group();
  if (valid) {
    const GlobalPlace place = check_global(me, from, copy_bytes, Operation::CopyAsync, false);
    me.warp->requests.add_global(site, Operation::CopyAsync, me.lane, copy_bytes, place.number, place.offset);
    record_global(place, copy_bytes, {me.clock.copy_access(group, AccessKind::Read), me.clock});
  }
  me.warp->requests.add_shared(site, Operation::CopyAsync, me.lane, copy_bytes, offset);
  record_shared(me, offset, copy_bytes, {me.clock.copy_access(group, AccessKind::Write), me.clock});
  const AsyncCopies::Copy copy{offset, valid ? from : nullptr, group};
  const AsyncLanding landing = launch.options.async;
  if (landing == AsyncLanding::Early || (landing == AsyncLanding::Random && launch.draw(2))) {
    land(*me.cta, copy);
  } else {
    me.copies.pending.push_back(copy);
  }
}

void cp_async_commit() { ++current->copies.committed; }

void cp_async_wait(u32 newest) {
  Thread& me = *current;
  AsyncCopies& copies = me.copies;
  if (copies.committed <= newest) return;
  const uint32_t landed = copies.committed - newest;
  while (!copies.pending.empty() && copies.pending.front().group <= landed) {
    land(*me.cta, copies.pending.front());
    copies.pending.pop_front();
  }
  me.clock.see_copies(landed);
}

}  // namespace qoq::emulator
