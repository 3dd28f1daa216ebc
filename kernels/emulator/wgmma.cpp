// wgmma with A in registers (PTX ISA, "wgmma.mma_async", fragment layouts of m64nNk32). Warp w of its warpgroup owns
// rows 16 · w … + 15 of A and D, in the fragments of mma.cpp; d[4 · j + e] belongs to columns 8 · j … + 7.
#include "kernels/emulator/wgmma.h"

#include <algorithm>
#include <cstring>

#include "kernels/emulator/async_proxy.h"
#include "kernels/emulator/int8_product.h"
#include "kernels/emulator/meeting.h"
#include "kernels/emulator/shared_memory.h"
#include "kernels/emulator/wgmma_descriptor.h"

namespace qoq::emulator {

namespace {

constexpr i32 poison = 0x5bad5bad;
constexpr uint32_t warpgroup_warps = 4;

struct Fragments {
  i32* d;
  const u32* a;
  u64 descriptor;
};
using Lanes = std::array<Fragments*, warp_size>;

/// The four warps of a warpgroup must issue the same wgmmas in the same order.
void check_agreement(Cta& cta, Warp& warp, const WgmmaShape& shape) {
  const size_t group = warp.index / warpgroup_warps;
  if ((group + 1) * warpgroup_warps > cta.warps.size()) {
    fault_operand(Operation::Wgmma, "a warpgroup is four warps, the first one's number a multiple of four");
  }
  std::vector<WgmmaShape>& shapes = cta.wgmma_shapes[group];
  if (warp.tensor_core.count == shapes.size()) {
    shapes.push_back(shape);
    ++cta.launch.result.counters.wgmmas;
  } else if (shapes[warp.tensor_core.count] != shape) {
    fault_warpgroup("issues another wgmma than the other warps of its warpgroup");
  }
  ++warp.tensor_core.count;
}

void record_b(Cta& cta, Warp& warp, const BOperand& b) {
  for (u32 row = 0; row < b.n; ++row) {
    for (u32 half = 0; half < 2; ++half) check_shared(cta, b.address(row, half), 16, Operation::Wgmma);
  }
  if (!cta.shadow) return;
  std::array<ThreadClock*, warp_size> clocks;
  for (u32 i = 0; i < warp_size; ++i) clocks[i] = &cta.warp_threads(warp)[i].clock;
  ThreadClock& clock = warp.tensor_core.clock;  // not on this stack, which a fault abandons
  clock = ThreadClock::common(clocks.data(), warp_size, warp.tensor_core.engine);
  const AsyncProxy async(cta, clock);
  const uint32_t group = warp.tensor_core.committed + 1;
  const Epoch epoch = clock.engine_access(warp.tensor_core.engine, group, AccessKind::Read, Operation::Wgmma);
  for (u32 row = 0; row < b.n; ++row) {
    for (u32 half = 0; half < 2; ++half) {
      record_shared(*current, b.address(row, half) - shared_window, 16,
                    {.epoch = epoch, .clock = clock, .must_be_written = true, .async = &async});
    }
  }
}

bool is_poisoned(const Accumulators& of) {
  return std::all_of(of.at.begin(), of.at.end(), [&](const i32* d) {
    return std::all_of(d, d + of.each, [](i32 value) { return value == poison; });
  });
}

void check_poisoned(const Accumulators& of, Operation operation) {
  if (!is_poisoned(of)) fault_registers(operation, "accumulators were written before the wgmma_wait");
}

Accumulators& take_accumulators(TensorCore& core, const Lanes& lanes, const WgmmaShape& shape) {
  const u32 each = shape.n / 2;
  const auto old = std::find_if(core.accumulators.begin(), core.accumulators.end(), [&](const Accumulators& a) {
    return a.at[0] < lanes[0]->d + each && lanes[0]->d < a.at[0] + a.each;
  });
  if (old != core.accumulators.end()) {
    if (old->each != each || old->at[0] != lanes[0]->d) {
      fault_registers(Operation::Wgmma, "accumulators in flight are used by a wgmma of another shape");
    }
    check_poisoned(*old, Operation::Wgmma);
    return *old;
  }
  Accumulators& fresh = core.accumulators.emplace_back();
  fresh.each = each;
  fresh.values.resize(size_t{warp_size} * each);
  for (u32 lane = 0; lane < warp_size; ++lane) {
    fresh.at[lane] = lanes[lane]->d;
    if (shape.accumulate) std::copy_n(lanes[lane]->d, each, &fresh.values[size_t{lane} * each]);
    std::fill_n(lanes[lane]->d, each, poison);
  }
  return fresh;
}

void spread_a(const Wgmma& wgmma, Int8Row (&to)[16]) {
  int16_t wide[4];
  for (u32 lane = 0; lane < warp_size; ++lane) {
    for (u32 h = 0; h < 4; ++h) {
      widen(wgmma.a[lane][h], wgmma.shape.signs == Signs::u8s8, wide);
      std::memcpy(&to[lane / 4 + 8 * (h % 2)][16 * (h / 2) + 4 * (lane % 4)], wide, sizeof wide);
    }
  }
}

void spread_b(const Cta& cta, const BOperand& b, u32 tile, bool is_unsigned, Int8Tile& to) {
  int16_t wide[4];
  for (u32 column = 0; column < 8; ++column) {
    for (u32 word = 0; word < 8; ++word) {
      u32 bytes;
      std::memcpy(&bytes, &cta.shared[b.address(tile * 8 + column, word / 4) - shared_window + word % 4 * 4], 4);
      widen(bytes, is_unsigned, wide);
      std::memcpy(to[2 * word][column], wide, 4);
      std::memcpy(to[2 * word + 1][column], wide + 2, 4);
    }
  }
}

void execute(const Cta& cta, Wgmma& wgmma) {
  alignas(32) Int8Row a[16];
  alignas(32) Int8Tile b;
  spread_a(wgmma, a);
  const BOperand operand(wgmma.shape.descriptor, wgmma.shape.n);
  Accumulators& to = *wgmma.to;
  if (!wgmma.shape.accumulate) std::fill(to.values.begin(), to.values.end(), 0);
  for (u32 tile = 0; tile < wgmma.shape.n / 8; ++tile) {
    spread_b(cta, operand, tile, wgmma.shape.signs == Signs::s8u8, b);
    for (u32 row = 0; row < 16; ++row) {
      u32 sums[8];
      multiply_int8(a[row], b, sums);
      for (u32 c = 0; c < 8; ++c) {
        i32& d = to.values[(row % 8 * 4 + c / 2) * size_t{to.each} + tile * 4 + row / 8 * 2 + c % 2];
        d = static_cast<i32>(static_cast<u32>(d) + sums[c]);
      }
    }
  }
  wgmma.executed = true;
}

void issue(const Lanes& lanes, const WgmmaShape& shape) {
  Warp& warp = *current->warp;
  Cta& cta = *current->cta;
  TensorCore& core = warp.tensor_core;
  for (const Fragments* lane : lanes) {
    if (lane->descriptor != shape.descriptor) fault_operand(Operation::Wgmma, "the lanes' descriptors differ");
  }
  check_agreement(cta, warp, shape);
  if (!core.fenced)
    fault_registers(Operation::Wgmma, "no wgmma_fence since the warp's last wgmma_commit (or its start)");
  if (const char* wrong = BOperand::illegal(shape.descriptor)) fault_operand(Operation::Wgmma, wrong);
  if (core.engine == TensorCore::none) core.engine = take_engine(cta, Operation::Wgmma);
  record_b(cta, warp, BOperand(shape.descriptor, shape.n));
  Wgmma& mine = core.issued.emplace_back();
  mine.shape = shape;
  mine.group = core.committed + 1;
  mine.executed = false;
  mine.to = &take_accumulators(core, lanes, shape);
  mine.to->group = mine.group;
  for (u32 lane = 0; lane < warp_size; ++lane) {
    mine.a_at[lane] = lanes[lane]->a;
    std::copy_n(lanes[lane]->a, 4, mine.a[lane].begin());
  }
  const AsyncLanding landing = cta.launch.options.async;
  if (landing == AsyncLanding::Late || (landing == AsyncLanding::Random && cta.launch.draw(2))) return;
  for (Wgmma& wgmma : core.issued) {
    if (!wgmma.executed) execute(cta, wgmma);
  }
}

void give_back(TensorCore& core, uint32_t landed) {
  for (auto of = core.accumulators.begin(); of != core.accumulators.end();) {
    if (of->group > landed) {
      ++of;
      continue;
    }
    check_poisoned(*of, Operation::WgmmaWait);
    for (u32 lane = 0; lane < warp_size; ++lane) {
      std::copy_n(&of->values[size_t{lane} * of->each], of->each, of->at[lane]);
    }
    of = core.accumulators.erase(of);
  }
}

void land(Cta& cta, Warp& warp, uint32_t landed) {
  TensorCore& core = warp.tensor_core;
  while (!core.issued.empty() && core.issued.front().group <= landed) {
    Wgmma& wgmma = core.issued.front();
    if (!wgmma.executed) execute(cta, wgmma);
    for (u32 lane = 0; lane < warp_size; ++lane) {
      if (!std::equal(wgmma.a[lane].begin(), wgmma.a[lane].end(), wgmma.a_at[lane])) {
        fault_registers(Operation::WgmmaWait, "registers of A were written before the wgmma_wait");
      }
    }
    core.issued.pop_front();
  }
  give_back(core, landed);
  if (core.engine == TensorCore::none) return;
  std::array<ThreadClock*, warp_size> clocks;
  for (u32 i = 0; i < warp_size; ++i) clocks[i] = &cta.warp_threads(warp)[i].clock;
  ThreadClock::learn(clocks.data(), warp_size, core.engine, landed);
}

}  // namespace

void wgmma_int8(i32* d, const u32* a, u64 b, u32 n, Signs signs, bool accumulate) {
  Fragments mine{d, a, b};
  const WgmmaShape shape{b, n, signs, accumulate};
  meet(Operation::Wgmma, n << 16 | static_cast<u32>(signs) << 8 | u32{accumulate}, mine,
       [&](auto& lanes) { issue(lanes, shape); });
}

void wgmma_fence() {
  meet(Operation::WgmmaFence, 0, *current, [](auto&) { current->warp->tensor_core.fenced = true; });
}

void wgmma_commit() {
  meet(Operation::WgmmaCommit, 0, *current, [](auto&) {
    TensorCore& core = current->warp->tensor_core;
    ++core.committed;
    core.fenced = false;
  });
}

void wgmma_wait(u32 newest) {
  meet(Operation::WgmmaWait, newest, *current, [newest](auto&) {
    const uint32_t committed = current->warp->tensor_core.committed;
    if (committed > newest) land(*current->cta, *current->warp, committed - newest);
  });
}

void setmaxnreg(u32 registers) {
  meet(Operation::SetMaxRegisters, registers, *current, [](auto&) {});
}

void check_warpgroups_agree(const Cta& cta) {
  for (const Warp& warp : cta.warps) {
    if (warp.tensor_core.count != cta.wgmma_shapes[warp.index / warpgroup_warps].size()) {
      fault_warpgroup("ends the CTA, in which a warp issued fewer wgmmas than its warpgroup");
    }
  }
}

}  // namespace qoq::emulator
