// What a wgmma may race with, and the rules of its registers and of its warpgroup.
#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape warpgroup{.threads = 128, .shared_bytes = 4096};

// B: 8 rows of 32 bytes, two core matrices.
QOQ_DEVICE u64 operand(u32 at = 0) { return wgmma_descriptor(shared_base() + at, 128, 128); }
QOQ_DEVICE u32 barrier() { return shared_base() + 2048; }

/// 256 bytes at `at` and the fence that wgmma needs; the barrier is the caller's.
QOQ_DEVICE void store_b(u32 at = 0, u32 value = 0x01010101) {
  if (thread_index() < 64) store_shared_u32(shared_base() + at + thread_index() * 4, value);
  fence_proxy_async();
}

/// The same by a bulk copy, over stored bytes; the wait is the caller's.
QOQ_DEVICE void copy_b(const u32* from) {
  store_b();
  if (thread_index() == 0) {
    mbarrier_init(barrier(), 1);
    fence_mbarrier_init();
  }
  sync_threads();
  if (thread_index() == 0) {
    mbarrier_arrive_expect_tx(barrier(), 256);
    cp_async_bulk(shared_base(), from, 256, barrier());
  }
}

QOQ_DEVICE void multiply(i32 (&d)[4], const u32 (&a)[4], u32 at = 0) {
  wgmma_fence();
  wgmma_s8s8(d, a, operand(at));
  wgmma_commit();
}

TEST(WgmmaRace, StoresOfBMustBeFenced) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        if (thread_index() < 64) store_shared_u32(shared_base() + thread_index() * 4, 1);
        if (ordered) fence_proxy_async();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::MissingFence});
}

TEST(WgmmaRace, TheReadersFenceIsNotTheWriters) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        if (thread_index() < 64) store_shared_u32(shared_base() + thread_index() * 4, 1);
        if (ordered) fence_proxy_async();
        sync_threads();
        if (!ordered && thread_index() >= 64) fence_proxy_async();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::MissingFence});
}

TEST(WgmmaRace, StoresOfBNeedABarrier) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_b(0, 1);
        sync_threads();
        store_b(0, 2);
        if (ordered) sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        wgmma_wait<0>();
      },
      warpgroup, {"store_shared", "wgmma"});
}

TEST(WgmmaRace, BByABulkCopyIsAwaitedByAll) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        copy_b(a.source);
        if (ordered || thread_index() < 96) mbarrier_wait(barrier(), 0);  // the last warp must, too
        i32 d[4] = {};
        const u32 r[4] = {};
        multiply(d, r);
        wgmma_wait<0>();
      },
      warpgroup, {"cp_async_bulk", "wgmma"});
}

TEST(WgmmaRace, EveryLaneMustKnowThatBIsThere) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        copy_b(a.source);
        if (thread_index() % 32 == 0) mbarrier_wait(barrier(), 0);
        if (ordered) sync_warp();
        i32 d[4] = {};
        const u32 r[4] = {};
        multiply(d, r);
        wgmma_wait<0>();
      },
      warpgroup, {"cp_async_bulk", "wgmma"});
}

TEST(WgmmaRace, BIsKeptUntilTheWait) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        if (ordered) wgmma_wait<0>();
        sync_threads();
        store_b(0, 5);
        wgmma_wait<0>();
      },
      warpgroup, {"wgmma", "store_shared"});
}

TEST(WgmmaRace, AWaitOneGroupTooFew) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_b();
        store_b(256);
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        multiply(d, a, 256);
        wgmma_wait<1>();
        sync_threads();
        store_b(ordered ? 0 : 256, 5);
        wgmma_wait<0>();
      },
      warpgroup, {"wgmma", "store_shared"});
}

TEST(WgmmaRace, AWarpsWaitSaysNothingOfTheOthers) {
  // Warp 0 refills B behind its own wait; the other three may still read it.
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        wgmma_wait<0>();
        if (ordered) sync_threads();
        if (thread_index() < 32) store_shared_u32(shared_base() + thread_index() * 4, 5);
      },
      warpgroup, {"wgmma", "store_shared"});
}

TEST(WgmmaRace, ABulkCopyOverBWaitsForAllFourWarps) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        store_b();
        if (thread_index() == 0) {
          mbarrier_init(barrier(), 1);
          mbarrier_init(barrier() + 8, ordered ? 4 : 1);
          fence_mbarrier_init();
        }
        sync_threads();
        i32 d[4] = {};
        const u32 r[4] = {};
        multiply(d, r);
        wgmma_wait<0>();
        sync_warp();
        if (thread_index() % 32 == 0 && (ordered || thread_index() == 32)) mbarrier_arrive(barrier() + 8);
        if (thread_index() == 0) {
          mbarrier_wait(barrier() + 8, 0);
          mbarrier_arrive_expect_tx(barrier(), 64);
          cp_async_bulk(shared_base(), a.source, 64, barrier());
          mbarrier_wait(barrier(), 0);
        }
      },
      warpgroup, {"wgmma", "cp_async_bulk"});
}

TEST(WgmmaRace, BMustHaveBeenWritten) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a, ordered ? 0 : 16);
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Uninitialised});
}

TEST(WgmmaRegisters, AccumulatorsAreNotWrittenBeforeTheWait) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        if (ordered) wgmma_wait<0>();
        if (thread_index() == 77) d[2] = 1;
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Registers});
}

TEST(WgmmaRegisters, AccumulatorsAreNotWrittenBetweenTwo) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        if (!ordered) d[3] += 1;
        multiply(d, a);
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Registers});
}

TEST(WgmmaRegisters, AIsNotWrittenBeforeTheWait) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        store_b(256);
        sync_threads();
        i32 d[4] = {};
        u32 a[4] = {};
        u32 next[4] = {};
        multiply(d, a);
        if (thread_index() == 100) (ordered ? next : a)[1] = 7;
        multiply(d, ordered ? next : a, 256);
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Registers});
}

TEST(WgmmaRegisters, EveryGroupIsFenced) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a);
        if (ordered) wgmma_fence();
        wgmma_s8s8(d, a, operand());
        wgmma_commit();
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Registers});
}

TEST(WgmmaRegisters, AnOpenGroupIsNotWaitedFor) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        wgmma_fence();
        wgmma_s8s8(d, a, operand());
        if (ordered) wgmma_commit();
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Registers});
}

TEST(WgmmaRegisters, OneShapeInFlight) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        store_b(256);
        sync_threads();
        i32 d[2][4] = {};
        const u32 a[4] = {};
        multiply(d[0], a);
        if (ordered) wgmma_wait<0>();
        auto& both = reinterpret_cast<i32(&)[8]>(d);
        wgmma_fence();
        wgmma_s8s8(both, a, wgmma_descriptor(shared_base(), 128, 256));
        wgmma_commit();
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Registers});
}

TEST(WgmmaRegisters, ReadBeforeTheWaitTheyHoldPoison) {
  for (const Options& options : all_options()) {
    RaceMemory memory;
    EXPECT_NO_FAULT(run_kernel(
        [](const RaceArgs& args) {
          store_b();
          sync_threads();
          i32 d[4] = {};
          const u32 a[4] = {0x01010101, 0x01010101, 0x01010101, 0x01010101};
          multiply(d, a);
          store_global(args.data + thread_index(), static_cast<u32>(d[0]));
          wgmma_wait<0>();
          store_global(args.data + 128 + thread_index(), static_cast<u32>(d[0]));
        },
        memory.args(), warpgroup, memory.memory(), options));
    for (u32 i = 0; i < 128; ++i) {
      ASSERT_EQ(memory.data()[i], 0x5bad5badu);
      ASSERT_EQ(memory.data()[128 + i], 32u);
    }
  }
}

TEST(WgmmaWarpgroup, ItsWarpsAgreeOnTheDescriptor) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        store_b(256);
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        multiply(d, a, !ordered && thread_index() >= 96 ? 256 : 0);
        wgmma_wait<0>();
      },
      warpgroup, {FaultKind::Divergence});
}

TEST(WgmmaWarpgroup, AllFourTakePart) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        store_b();
        sync_threads();
        i32 d[4] = {};
        const u32 a[4] = {};
        if (ordered || thread_index() >= 32) {
          multiply(d, a);
          wgmma_wait<0>();
        }
      },
      warpgroup, {FaultKind::Divergence});
}

/// One wgmma of B at `descriptor`.
template <u64 descriptor, unsigned threads = 128>
FaultKind kind_of() {
  RaceMemory memory;
  return run_kernel(
             [](const RaceArgs&) {
               for (u32 i = thread_index(); i < 1024; i += threads) store_shared_u32(shared_base() + i * 4, 0);
               fence_proxy_async();
               sync_threads();
               i32 d[4] = {};
               const u32 a[4] = {};
               wgmma_fence();
               wgmma_s8s8(d, a, descriptor);
               wgmma_commit();
               wgmma_wait<0>();
             },
             memory.args(), {.threads = threads, .shared_bytes = 4096}, memory.memory())
      .kind;
}

TEST(WgmmaOperand, LegalAndNot) {
  constexpr u64 plain = 0x0000'0008'0008'0040;     // at 1024, the window's begin
  constexpr u64 swizzled = 0x4000'0040'0000'0040;  // 1024-byte groups
  EXPECT_EQ(kind_of<plain>(), FaultKind::None);
  EXPECT_EQ(kind_of<swizzled>(), FaultKind::None);
  EXPECT_EQ(kind_of<swizzled + 6>(), FaultKind::None);                     // 96 bytes along k
  EXPECT_EQ(kind_of<swizzled + 1>(), FaultKind::IllegalOperand);           // 16 bytes along k
  EXPECT_EQ(kind_of<swizzled + 8>(), FaultKind::IllegalOperand);           // begins in the second row
  EXPECT_EQ(kind_of<swizzled | 8ull << 32>(), FaultKind::IllegalOperand);  // groups 1152 bytes apart
  EXPECT_EQ(kind_of<plain | 1ull << 63>(), FaultKind::IllegalOperand);     // 64-byte swizzle
  EXPECT_EQ(kind_of<plain | 1ull << 49>(), FaultKind::IllegalOperand);     // base offset
  EXPECT_EQ(kind_of<plain | 1ull << 14>(), FaultKind::IllegalOperand);     // no field
  EXPECT_EQ(kind_of<plain - 1>(), FaultKind::OutOfBounds);
  EXPECT_EQ(kind_of<(plain & ~0x3fffull) | (1024 + 4096 - 128) / 16>(), FaultKind::OutOfBounds);
  EXPECT_EQ((kind_of<plain, 96>()), FaultKind::IllegalOperand);  // three warps are no warpgroup
}

TEST(WgmmaOperand, RegistersCanBeTakenAndGiven) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        if (ordered || thread_index() % 32 < 16) {
          setmaxnreg_dec<24>();
        } else {
          setmaxnreg_inc<240>();
        }
      },
      warpgroup, {FaultKind::Divergence});
}

}  // namespace
}  // namespace qoq::tests
