// Races on shared memory: each kernel with and without its synchronisation.
#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape two_warps{.threads = 64, .shared_bytes = 4096};
constexpr Shape one_warp{.threads = 32, .shared_bytes = 4096};

QOQ_DEVICE u32 word(u32 i) { return shared_base() + i * 4; }

TEST(SharedRace, ReadAfterWriteNeedsTheBarrier) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(64, 64);
        store_shared_u32(word(thread_index()), 1);
        if (ordered) sync_threads();
        if (!ordered) sync_warp();  // the reader is in the other warp
        load_shared_u32(word(63 - thread_index()));
      },
      two_warps, {"store_shared", "load_shared"});
}

TEST(SharedRace, WriteAfterReadNeedsTheBarrier) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_shared_u32(word(thread_index()), thread_index());
        sync_threads();
        load_shared_u32(word(63 - thread_index()));
        if (ordered) sync_threads();
        store_shared_u32(word(thread_index()), 5);
      },
      two_warps, {"load_shared", "store_shared"});
}

TEST(SharedRace, WriteAfterWriteNeedsTheBarrier) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_shared_u32(word(thread_index()), thread_index());
        if (ordered) sync_threads();
        store_shared_u32(word(63 - thread_index()), 1000 + thread_index());
      },
      two_warps, {"store_shared", "store_shared"});
}

TEST(SharedRace, LanesOfAWarpNeedSyncWarp) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(32, 32);
        store_shared_u32(word(thread_index()), thread_index());
        if (ordered) sync_warp();
        load_shared_u32(word(31 - thread_index()));
      },
      one_warp, {"store_shared", "load_shared"});
}

TEST(SharedRace, ShufflesOrderNothing) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(32, 32);
        store_shared_u32(word(thread_index()), thread_index());
        if (ordered) sync_warp();
        shuffle_xor(1, 1);
        shuffle(1, 0);
        load_shared_u32(word(31 - thread_index()));
      },
      one_warp, {"store_shared", "load_shared"});
}

TEST(SharedRace, LdmatrixAndMmaOrderNothing) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        store_shared_u32x4(shared_base() + thread_index() * 16, {1, 2, 3, 4});
        sync_warp();
        u32 r[4];
        ldmatrix_x4(r, shared_base() + thread_index() * 16);
        i32 d[4] = {};
        const u32 b[2] = {1, 2};
        mma_s8s8(d, r, b);
        if (ordered) sync_warp();
        store_shared_u32x4(shared_base() + (31 - thread_index()) * 16, {5, 6, 7, 8});
      },
      one_warp, {"ldmatrix", "store_shared"});
}

TEST(SharedRace, LdmatrixReadsWhatOthersWrote) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(32, 32);
        store_shared_u32(word(thread_index()), 1);
        if (ordered) sync_threads();
        u32 r[1];
        ldmatrix_x1(r, shared_base() + thread_index() % 8 * 16);
      },
      one_warp, {"store_shared", "ldmatrix"});
}

TEST(SharedRace, NamedBarriersOrderOnlyWhoMeets) {
  // Three warps; the first two meet at barrier 1. The third reads what the first wrote.
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(96, 32);
        const u32 warp = thread_index() / 32;
        if (warp == 0) store_shared_u32(word(thread_index()), 1);
        if (warp < 2) sync_named(1, 64);
        if (ordered) {
          if (warp > 0) sync_named(2, 64);
        } else if (warp > 0) {
          sync_warp();
        }
        if (warp == 2) load_shared_u32(word(thread_index() % 32));
      },
      {.threads = 96, .shared_bytes = 4096}, {"store_shared", "load_shared"});
}

/// All eight warps read one word; without order, warp 3 does not meet the others before thread 1 writes it: no reader
/// in the middle of so many may be forgotten. `read` says how they read.
template <class Read>
QOQ_DEVICE void write_after_many_reads(bool ordered, Read read) {
  const u32 t = thread_index();
  if (t == 0) store_shared_u32x4(word(0), {7, 7, 7, 7});
  sync_threads();
  read();
  if (ordered) {
    sync_threads();
  } else if (t / 32 != 3) {
    sync_named(1, 224);
  }
  if (t == 1) store_shared_u32(word(0), 2);
}

TEST(SharedRace, OneOfManyReadersIsEnough) {
  expect_caught(
      [](const RaceArgs&, bool ordered) { write_after_many_reads(ordered, [] { load_shared_u32(word(0)); }); },
      {.threads = 256, .shared_bytes = 4096}, {"load_shared", "store_shared"});
}

TEST(SharedRace, OneOfManyWideReadersOfANarrowWriteIsEnough) {
  expect_caught(
      [](const RaceArgs&, bool ordered) { write_after_many_reads(ordered, [] { load_shared_u32x4(word(0)); }); },
      {.threads = 256, .shared_bytes = 4096}, {"load_shared", "store_shared"});
}

TEST(SharedRace, WideAccessesAreComparedByTheByte) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(64, 128);
        const u32 row = shared_base() + thread_index() % 32 * 16;
        if (thread_index() < 32) store_shared_u32x4(row, {1, 2, 3, 4});
        if (ordered) sync_threads();
        if (thread_index() >= 32) load_shared_u32x2(row + 8);
      },
      two_warps, {"store_shared", "load_shared"});
}

TEST(SharedRace, NeighboursMayWriteSideBySide) {
  expect_allowed(
      [](const RaceArgs&, bool) {
        store_shared_u32(word(thread_index()), thread_index());
        store_shared_u32x4(shared_base() + 512 + thread_index() * 16, {});
        load_shared_u32(word(thread_index()));
        store_shared_u32(word(thread_index()), 3);
      },
      two_warps);
}

TEST(SharedRace, ManyMayReadTheSame) {
  expect_allowed(
      [](const RaceArgs&, bool) {
        if (thread_index() == 0) store_shared_u32x4(shared_base(), {1, 2, 3, 4});
        sync_threads();
        load_shared_u32(word(0));
        load_shared_u32x4(shared_base());
        load_shared_u32(word(1));
        sync_threads();
        store_shared_u32(word(thread_index()), 1);
        sync_threads();
        load_shared_u32x4(shared_base());
      },
      two_warps);
}

TEST(SharedRace, TheSameValueTwiceIsHarmless) {
  expect_allowed([](const RaceArgs&, bool) { store_shared_u32(word(0), 42); }, two_warps);
  // … but not to a reader in between.
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        if (thread_index() == 0) store_shared_u32(word(0), 42);
        sync_threads();
        if (thread_index() == 1) load_shared_u32(word(0));
        if (ordered) sync_threads();
        if (thread_index() == 40) store_shared_u32(word(0), 42);
      },
      two_warps, {"load_shared", "store_shared"});
}

TEST(SharedRace, BarriersInALoopStayExact) {
  // Double buffer with one barrier a turn is right; a single buffer needs two.
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        for (u32 turn = 0; turn < 6; ++turn) {
          const u32 buffer = ordered ? turn % 2 * 64 : 0;
          store_shared_u32(word(buffer + thread_index()), turn);
          sync_threads();
          load_shared_u32(word(buffer + 63 - thread_index()));
        }
      },
      two_warps, {"load_shared", "store_shared"});
}

TEST(SharedRace, TheReportNamesBothSides) {
  const auto kernel = [](const RaceArgs&, bool) {
    if (thread_index() == 3) store_shared_u32(word(5), 1);
    if (thread_index() == 40) load_shared_u32(word(5));
  };
  const Result result = run_race<decltype(kernel)>(true, two_warps, {});
  EXPECT_EQ(
      result.fault,
      "race: load_shared of 4 bytes at shared+20 by thread 40 of CTA (0,0,0) is not ordered after the store_shared of "
      "thread 3 of CTA (0,0,0)");
  EXPECT_EQ(result.offset, 20u);
}

TEST(SharedRace, OffMeansOff) {
  RaceMemory memory;
  const auto kernel = [](const RaceArgs&) {
    store_shared_u32(word(0), thread_index());
    load_shared_u32(word(1));
  };
  EXPECT_NO_FAULT(run_kernel(kernel, memory.args(), two_warps, memory.memory(), {.races = false}));
}

}  // namespace
}  // namespace qoq::tests
