#include "kernels/emulator/shared_memory.h"

#include <cstring>

#include "kernels/emulator/meeting.h"

namespace qoq::emulator {

namespace {

template <class T>
T load(u32 at, const void* site) {
  Thread& me = *current;
  const uint32_t offset = check_shared(*me.cta, at, sizeof(T), Operation::LoadShared);
  me.warp->requests.add_shared(site, Operation::LoadShared, me.lane, sizeof(T), offset);
  record_shared_read(me, offset, sizeof(T), Operation::LoadShared);
  T value;
  std::memcpy(&value, &me.cta->shared[offset], sizeof(T));
  return value;
}

template <class T>
void store(u32 at, const T& value, const void* site) {
  Thread& me = *current;
  const uint32_t offset = check_shared(*me.cta, at, sizeof(T), Operation::StoreShared);
  me.warp->requests.add_shared(site, Operation::StoreShared, me.lane, sizeof(T), offset);
  std::byte* to = &me.cta->shared[offset];
  record_shared(me, offset, sizeof(T),
                {.epoch = me.clock.access(AccessKind::Write, Operation::StoreShared),
                 .clock = me.clock,
                 .same_value = std::memcmp(to, &value, sizeof(T)) == 0});
  std::memcpy(to, &value, sizeof(T));
}

struct MatrixLoad {
  u32* r;
  uint32_t offset;
};

/// Lane i holds element pair (i % 4) of row i / 4 of each matrix; transposed, of column i / 4.
void load_matrices(const std::byte* shared, const std::array<MatrixLoad*, warp_size>& lanes, u32 count,
                   bool transpose) {
  for (u32 matrix = 0; matrix < count; ++matrix) {
    for (u32 row = 0; row < 8; ++row) {
      const std::byte* from = shared + lanes[matrix * 8 + row]->offset;
      if (!transpose) {
        for (u32 pair = 0; pair < 4; ++pair) std::memcpy(&lanes[row * 4 + pair]->r[matrix], from + pair * 4, 4);
        continue;
      }
      for (u32 column = 0; column < 8; ++column) {
        auto* pair = reinterpret_cast<std::byte*>(&lanes[column * 4 + row / 2]->r[matrix]);
        std::memcpy(pair + row % 2 * 2, from + column * 2, 2);
      }
    }
  }
}

/// Each matrix is a phase of its own: eight rows of 16 bytes.
void count_matrices(SharedCounters& counters, const std::array<MatrixLoad*, warp_size>& lanes, u32 count) {
  std::array<uint64_t, warp_size> offsets;
  for (u32 i = 0; i < count * 8; ++i) offsets[i] = lanes[i]->offset;
  const u32 active = count == 4 ? all_lanes : (1u << count * 8) - 1;
  ++counters.requests;
  counters.wavefronts += count_wavefronts(offsets, active, 16);
  counters.ideal_wavefronts += count;
}

}  // namespace

u32 load_shared_u32(u32 at) { return load<u32>(at, __builtin_return_address(0)); }
u32x2 load_shared_u32x2(u32 at) { return load<u32x2>(at, __builtin_return_address(0)); }
u32x4 load_shared_u32x4(u32 at) { return load<u32x4>(at, __builtin_return_address(0)); }
void store_shared_u32(u32 at, u32 value) { store(at, value, __builtin_return_address(0)); }
void store_shared_u32x4(u32 at, u32x4 value) { store(at, value, __builtin_return_address(0)); }

void ldmatrix(u32* r, u32 row, u32 count, bool transpose) {
  Thread& me = *current;
  MatrixLoad mine{r, 0};
  if (me.lane < count * 8) {  // the other lanes' addresses are not used
    mine.offset = check_shared(*me.cta, row, 16, Operation::LoadMatrix);
    record_shared_read(me, mine.offset, 16, Operation::LoadMatrix);
  }
  meet(Operation::LoadMatrix, count << 1 | u32{transpose}, mine, [&](auto& lanes) {
    count_matrices(me.cta->launch.result.counters.matrix_loads, lanes, count);
    load_matrices(me.cta->shared.data(), lanes, count, transpose);
  });
}

}  // namespace qoq::emulator
