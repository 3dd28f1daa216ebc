// Races of asynchronous copies: each kernel with and without its waits and barriers.
#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape two_warps{.threads = 64, .shared_bytes = 8192};

QOQ_DEVICE u32 chunk(u32 i) { return shared_base() + i * 16; }

TEST(AsyncRace, TheIssuingThreadMustWait) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        cp_async_16(chunk(thread_index()), a.source + thread_index() * 4);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        load_shared_u32x4(chunk(thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, ABarrierWithoutTheWaitIsNotEnough) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        cp_async_16(chunk(thread_index()), a.source + thread_index() * 4);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        sync_threads();
        load_shared_u32x4(chunk(63 - thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, TheWaitWithoutABarrierIsNotEnough) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        fill_shared(64, 256);
        cp_async_16(chunk(thread_index()), a.source + thread_index() * 4);
        cp_async_commit();
        cp_async_wait<0>();
        if (ordered) sync_threads();
        load_shared_u32x4(chunk(63 - thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, ABarrierBeforeTheWaitIsNotEnough) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        cp_async_16(chunk(thread_index()), a.source + thread_index() * 4);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        sync_threads();
        if (!ordered) cp_async_wait<0>();
        load_shared_u32x4(chunk(63 - thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, AWaitOneGroupTooFew) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        for (u32 stage = 0; stage < 2; ++stage) {
          cp_async_16(chunk(stage * 64 + thread_index()), a.source + thread_index() * 4);
          cp_async_commit();
        }
        if (ordered) {
          cp_async_wait<0>();
        } else {
          cp_async_wait<1>();
        }
        sync_threads();
        load_shared_u32x4(chunk(64 + 63 - thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, TheOlderGroupIsThere) {
  expect_allowed(
      [](const RaceArgs& a, bool) {
        for (u32 stage = 0; stage < 2; ++stage) {
          cp_async_16(chunk(stage * 64 + thread_index()), a.source + thread_index() * 4);
          cp_async_commit();
        }
        cp_async_wait<1>();
        sync_threads();
        const u32x4 v = load_shared_u32x4(chunk(63 - thread_index()));
        store_global(a.data + thread_index(), v.x);
      },
      two_warps);
}

TEST(AsyncRace, AnOpenGroupIsNotWaitedFor) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        cp_async_16(chunk(thread_index()), a.source + thread_index() * 4);
        if (ordered) cp_async_commit();
        cp_async_wait<0>();
        load_shared_u32x4(chunk(thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, ACopyOverABufferThatIsStillRead) {
  // The pipeline's classic: the barrier between the last read of a stage and the copy that refills it.
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        for (u32 turn = 0; turn < 3; ++turn) {
          cp_async_16(chunk(thread_index()), a.source + turn * 256 + thread_index() * 4);
          cp_async_commit();
          cp_async_wait<0>();
          sync_threads();
          u32 r[4];
          ldmatrix_x4(r, chunk(63 - thread_index()));
          if (ordered) sync_threads();
        }
      },
      two_warps, {"ldmatrix", "cp_async_16"});
}

TEST(AsyncRace, TwoCopiesToOnePlace) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        cp_async_16(chunk(thread_index()), a.source);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        cp_async_16(chunk(thread_index()), a.source + 4);
        cp_async_commit();
      },
      two_warps, {"cp_async_16", "cp_async_16"});
}

TEST(AsyncRace, AZeroFillIsAWriteToo) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        cp_async_16(chunk(thread_index()), nullptr, false);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        load_shared_u32(chunk(thread_index()));
      },
      two_warps, {"cp_async_16", "load_shared"});
}

TEST(AsyncRace, AStoreOfTheOldValueUnderACopyIsNotHarmless) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        fill_shared(64, 256);
        cp_async_16(chunk(thread_index()), a.source + thread_index() * 4);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        store_shared_u32(chunk(thread_index()), 77);  // what is there until the copy lands
      },
      two_warps, {"cp_async_16", "store_shared"});
}

TEST(AsyncRace, ItsGlobalReadRacesToo) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        cp_async_16(chunk(thread_index()), a.data + thread_index() * 4);
        cp_async_commit();
        if (ordered) cp_async_wait<0>();
        store_global(a.data + thread_index() * 4, 1u);  // the very thread that issued it
      },
      two_warps, {"cp_async_16", "store_global"});
}

TEST(AsyncRace, AnotherThreadsWriteOfItsSource) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        store_global(a.data + thread_index(), 1u);
        if (ordered) sync_threads();
        if (thread_index() < 16) cp_async_16(chunk(thread_index()), a.data + (15 - thread_index()) * 4);
        cp_async_commit();
        cp_async_wait<0>();
      },
      two_warps, {"store_global", "cp_async_16"});
}

}  // namespace
}  // namespace qoq::tests
