// mbarriers: what a wait acquires, and every misuse.
#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape two_warps{.threads = 64, .shared_bytes = 1024};
constexpr Shape three_warps{.threads = 96, .shared_bytes = 1024};

/// Barriers lie behind 512 bytes of data.
QOQ_DEVICE u32 barrier(u32 i) { return shared_base() + 512 + i * 8; }
QOQ_DEVICE u32 word(u32 i) { return shared_base() + i * 4; }

QOQ_DEVICE void init(u32 count, u32 barriers = 1) {
  if (thread_index() == 0) {
    for (u32 i = 0; i < barriers; ++i) mbarrier_init(barrier(i), count);
    fence_mbarrier_init();
  }
  sync_threads();
}

TEST(Mbarrier, TheWaiterMustWait) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(64, 32);
        init(32);
        if (thread_index() < 32) {
          store_shared_u32(word(thread_index()), 1);
          mbarrier_arrive(barrier(0));
        } else {
          if (ordered) mbarrier_wait(barrier(0), 0);
          load_shared_u32(word(thread_index() - 32));
        }
      },
      two_warps, {"store_shared", "load_shared"});
}

TEST(Mbarrier, TheOtherParityOfAFreshBarrierWaitsForNothing) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        fill_shared(64, 32);
        init(32);
        if (thread_index() < 32) {
          store_shared_u32(word(thread_index()), 1);
          mbarrier_arrive(barrier(0));
        } else {
          mbarrier_wait(barrier(0), ordered ? 0 : 1);
          load_shared_u32(word(thread_index() - 32));
        }
      },
      two_warps, {FaultKind::Race, FaultKind::Deadlock});  // it waits for phase 1 where phase 0 is over
}

TEST(Mbarrier, AnArrivalReleasesWhatCameBeforeIt) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(64, 32);
        init(32);
        if (thread_index() < 32) {
          if (ordered) store_shared_u32(word(thread_index()), 1);
          mbarrier_arrive(barrier(0));
          if (!ordered) store_shared_u32(word(thread_index()), 1);
        } else {
          mbarrier_wait(barrier(0), 0);
          load_shared_u32(word(thread_index() - 32));
        }
      },
      two_warps, {"store_shared", "load_shared"});
}

TEST(Mbarrier, AnArrivalSpeaksForItsThreadAlone) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(64, 32);
        init(1);
        if (thread_index() < 32) {
          store_shared_u32(word(thread_index()), 1);
          if (ordered) sync_warp();
          if (thread_index() == 0) mbarrier_arrive(barrier(0));
        } else {
          mbarrier_wait(barrier(0), 0);
          load_shared_u32(word(thread_index() - 32));
        }
      },
      two_warps, {"store_shared", "load_shared"});
}

TEST(Mbarrier, AWaitAcquiresItsPhaseAndNoMore) {
  // Thread 0 may have arrived at phase 1 long before the reader waits for phase 0.
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(96, 32);
        init(2);
        if (thread_index() == 0) {
          store_shared_u32(word(0), 1);
          mbarrier_arrive(barrier(0));
          mbarrier_wait(barrier(0), 0);
          store_shared_u32(word(4), 1);
          mbarrier_arrive(barrier(0));
        } else if (thread_index() == 32) {
          mbarrier_arrive(barrier(0));
        } else if (thread_index() == 64) {
          mbarrier_wait(barrier(0), 0);
          load_shared_u32(word(ordered ? 0 : 4));
        }
      },
      three_warps, {"store_shared", "load_shared"});
}

TEST(Mbarrier, CarriesWhatItsArriversHaveAcquired) {
  expect_caught(
      [](const RaceArgs&, bool ordered) {
        fill_shared(96, 32);
        init(1, 2);
        if (thread_index() == 0) {
          store_shared_u32(word(0), 1);
          mbarrier_arrive(barrier(0));
        } else if (thread_index() == 32) {
          if (ordered) mbarrier_wait(barrier(0), 0);
          mbarrier_arrive(barrier(1));
        } else if (thread_index() == 64) {
          mbarrier_wait(barrier(1), 0);
          load_shared_u32(word(0));
        }
      },
      three_warps, {"store_shared", "load_shared"});
}

TEST(Mbarrier, ManyPhasesBackAndForth) {
  expect_allowed(
      [](const RaceArgs& a, bool) {
        init(32, 2);
        const u32 lane = thread_index() % 32;
        for (u32 turn = 0; turn < 9; ++turn) {
          if (thread_index() < 32) {
            mbarrier_wait(barrier(1), turn % 2 ^ 1);  // free: at once the first time
            store_shared_u32(word(lane), turn * 32 + lane);
            mbarrier_arrive(barrier(0));
          } else {
            mbarrier_wait(barrier(0), turn % 2);
            store_global(a.data + turn * 32 + lane, load_shared_u32(word(31 - lane)));
            mbarrier_arrive(barrier(1));
          }
        }
      },
      two_warps);
}

TEST(Mbarrier, InitialisedBeforeAnyUse) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        if (thread_index() == 0) mbarrier_init(barrier(0), 1);
        if (ordered) sync_threads();
        if (thread_index() == 32) mbarrier_arrive(barrier(0));
      },
      two_warps, {FaultKind::Race, FaultKind::MbarrierMisuse});
}

TEST(Mbarrier, InitialisedOnce) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        init(1);
        if (thread_index() == 0) mbarrier_init(barrier(ordered ? 1 : 0), 1);
      },
      two_warps, {FaultKind::MbarrierMisuse});
}

TEST(Mbarrier, NotWrittenOver) {
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        init(1);
        if (thread_index() == 0) store_shared_u32(ordered ? barrier(1) : barrier(0) + 4, 0);
        sync_threads();
        if (thread_index() == 32) mbarrier_arrive(barrier(0));
      },
      two_warps, {FaultKind::MbarrierMisuse});
}

TEST(Mbarrier, NoMoreArrivalsThanItsCount) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init(1);
        if (thread_index() == 0) {
          mbarrier_arrive_expect_tx(barrier(0), 64);
          if (!ordered) mbarrier_arrive(barrier(0));
          cp_async_bulk(word(0), a.source, 64, barrier(0));
        }
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MbarrierMisuse});
}

TEST(Mbarrier, AWaiterMustNotMissItsPhase) {
  // In this order warp 1 waits first; then both phases end before it can look again.
  expect_fault(
      [](const RaceArgs&, bool ordered) {
        init(1);
        if (thread_index() >= 32) {
          mbarrier_wait(barrier(0), 0);
        } else if (thread_index() == 0) {
          mbarrier_arrive(barrier(0));
          if (!ordered) mbarrier_arrive(barrier(0));
        }
      },
      two_warps, {FaultKind::MbarrierMisuse}, {Options{}});
}

TEST(Mbarrier, DeadlocksAreNamed) {
  RaceMemory memory;
  const Result result = run_kernel(
      [](const RaceArgs&) {
        init(2);
        if (thread_index() == 5) mbarrier_arrive(barrier(0));
        if (thread_index() == 33) mbarrier_wait(barrier(0), 0);
      },
      memory.args(), two_warps, memory.memory());
  EXPECT_EQ(result.kind, FaultKind::Deadlock);
  EXPECT_EQ(result.operation, "mbarrier_wait");
  EXPECT_NE(result.fault->find("lane 1 waits at the mbarrier at shared+512 (phase 0: 1 of 2 arrivals missing)"),
            std::string::npos)
      << *result.fault;
}

template <class Kernel>
FaultKind kind_of(Kernel kernel) {
  RaceMemory memory;
  return run_kernel(kernel, memory.args(), {.shared_bytes = 1024}, memory.memory()).kind;
}

TEST(Mbarrier, IllegalOperands) {
  EXPECT_EQ(kind_of([](const RaceArgs&) { mbarrier_init(barrier(0), 0); }), FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs&) { mbarrier_init(barrier(0), 1u << 20); }), FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs&) { mbarrier_init(barrier(0) + 4, 1); }), FaultKind::Misaligned);
  EXPECT_EQ(kind_of([](const RaceArgs&) { mbarrier_init(barrier(64), 1); }), FaultKind::OutOfBounds);
  EXPECT_EQ(kind_of([](const RaceArgs&) {
              init(1);
              mbarrier_wait(barrier(0), 2);
            }),
            FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs&) {
              init(64);
              mbarrier_arrive_expect_tx(barrier(0), 1u << 20);
            }),
            FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs&) {
              for (u32 i = 0; i <= 32; ++i) mbarrier_init(barrier(i), 1);
            }),
            FaultKind::IllegalOperand);  // the emulator has clocks for as many as there are threads
}

}  // namespace
}  // namespace qoq::tests
