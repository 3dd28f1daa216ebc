// Races on global memory, within a CTA and across CTAs.
#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape two_warps{.threads = 64};
constexpr Shape two_ctas{.grid = {2, 1, 1}, .threads = 32};

TEST(GlobalRace, BarriersOrderTheCtasOwnAccesses) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        store_global(a.data + thread_index(), thread_index());
        if (ordered) sync_threads();
        load_global(a.data + 63 - thread_index());
      },
      two_warps, {"store_global", "load_global"});
}

TEST(GlobalRace, BarriersOrderNothingAcrossCtas) {
  for (const Options& options : all_options()) {
    const auto kernel = [](const RaceArgs& a, bool) {
      if (block_index_x() == 0) store_global(a.data + thread_index(), 1u);
      sync_threads();
      if (block_index_x() == 1) load_global(a.data + thread_index());
    };
    const Result result = run_race<decltype(kernel)>(true, two_ctas, options);
    EXPECT_EQ(result.kind, FaultKind::Race);
    EXPECT_NE(result.fault->find("CTA (0,0,0)"), std::string::npos);
    EXPECT_NE(result.fault->find("CTA (1,0,0)"), std::string::npos);
  }
}

/// CTA 0 publishes its data, CTA 1 waits and reads it.
template <class Publish, class Wait>
void pass_message(const RaceArgs& a, Publish publish, Wait wait) {
  if (block_index_x() == 0) {
    store_global(a.data + thread_index(), thread_index());
    sync_threads();
    if (thread_index() == 0) publish();
  } else {
    if (thread_index() == 0) wait();
    sync_threads();
    load_global(a.data + 31 - thread_index());
  }
}

TEST(GlobalRace, ReleaseAndAcquirePassAMessage) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        pass_message(
            a, [&] { ordered ? store_release(a.flags, 1) : atomic_add_relaxed(a.flags, 1); },
            [&] {
              while (load_acquire(a.flags) == 0) {
              }
            });
      },
      two_ctas, {"store_global", "load_global"});
}

TEST(GlobalRace, AdditionsPassAMessageWhenTheyAcquireAndRelease) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        pass_message(
            a,
            [&] {
              if (ordered) {
                atomic_add_acq_rel(a.flags, 1);
              } else {
                atomic_add_relaxed(a.flags, 1);
              }
            },
            [&] {
              while (atomic_add_acq_rel(a.flags, 0) == 0) {
              }
            });
      },
      two_ctas, {"store_global", "load_global"});
}

TEST(GlobalRace, TheReleaseMustComeAfterTheBarrier) {
  // Thread 0 releases only what it knows: without the barrier not the other lanes' stores.
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        if (block_index_x() == 0) {
          store_global(a.data + thread_index(), thread_index());
          if (ordered) sync_threads();
          if (thread_index() == 0) store_release(a.flags, 1);
        } else {
          if (thread_index() == 0) {
            while (load_acquire(a.flags) == 0) {
            }
          }
          sync_threads();
          load_global(a.data + thread_index());
        }
      },
      two_ctas, {"store_global", "load_global"});
}

TEST(GlobalRace, TheAcquireMustComeBeforeTheBarrier) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        if (block_index_x() == 0) {
          store_global(a.data + thread_index(), thread_index());
          sync_threads();
          if (thread_index() == 0) store_release(a.flags, 1);
        } else {
          if (thread_index() == 0) {
            while (load_acquire(a.flags) == 0) {
            }
          }
          if (ordered) sync_threads();
          load_global(a.data + 31 - thread_index());
        }
      },
      two_ctas, {"store_global", "load_global"});
}

TEST(GlobalRace, AReleaseDoesNotCoverWhatComesAfterIt) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        if (thread_index() != 0) return;
        if (block_index_x() == 0) {
          if (ordered) store_global(a.data, 1u);
          store_release(a.flags, 1);
          if (!ordered) store_global(a.data, 1u);
        } else {
          while (load_acquire(a.flags) == 0) {
          }
          load_global(a.data);
        }
      },
      two_ctas, {"store_global", "load_global"});
}

TEST(GlobalRace, ABarrierSpreadsWhatAnyOfItsThreadsAcquired) {
  // Threads 5 and 40 of CTA 2 each wait for another CTA; then all read both messages.
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        const u32 t = thread_index();
        const u32 cta = block_index_x();
        if (cta < 2) {
          store_global(a.data + cta * 64 + t, t + 1);
          sync_threads();
          if (t == 0) store_release(a.flags + cta, 1);
          return;
        }
        if (t == 5 || t == 40) {
          while (load_acquire(a.flags + t / 40) == 0) {
          }
        }
        if (ordered) {
          sync_threads();
        } else {
          sync_warp();
        }
        load_global(a.data + 63 - t);
        load_global(a.data + 64 + t);
      },
      {.grid = {3, 1, 1}, .threads = 64}, {"store_global", "load_global"});
}

TEST(GlobalRace, TheLastCtaOfASplitSeesAllPartsOnlyByItsCounter) {
  // Split-K: four CTAs add their parts, the one whose arrival is the last reads the sum.
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        auto* sums = reinterpret_cast<i32*>(a.data);
        atomic_add_relaxed(sums + thread_index(), 1);
        sync_threads();
        i32 before = 0;
        if (thread_index() == 0) {
          if (ordered) {
            before = atomic_add_acq_rel(a.flags, 1);
          } else {
            before = static_cast<i32>(block_index_x());
            atomic_add_relaxed(a.flags, 1);
          }
        }
        sync_threads();
        before = static_cast<i32>(shuffle(static_cast<u32>(before), 0));
        if (before == 3) load_global(sums + thread_index());
      },
      {.grid = {4, 1, 1}, .threads = 32}, {"atomic_add_relaxed", "load_global"});
}

TEST(GlobalRace, KnowledgeTravelsThroughAThirdCta) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        const auto wait = [&](u32 flag) {
          while (load_acquire(a.flags + flag) == 0) {
          }
        };
        if (thread_index() != 0) return;
        if (block_index_x() == 0) {
          store_global(a.data, 1u);
          store_release(a.flags, 1);
        } else if (block_index_x() == 1) {
          if (ordered) wait(0);
          store_release(a.flags + 1, 1);
        } else {
          wait(1);
          load_global(a.data);
        }
      },
      {.grid = {3, 1, 1}, .threads = 32}, {"store_global", "load_global"});
}

TEST(GlobalRace, ARelaxedAdditionContinuesAReleaseSequence) {
  expect_allowed(
      [](const RaceArgs& a, bool) {
        if (thread_index() != 0) return;
        if (block_index_x() == 0) {
          store_global(a.data, 1u);
          store_release(a.flags, 1);
        } else if (block_index_x() == 1) {
          while (load_acquire(a.flags) == 0) {
          }
          atomic_add_relaxed(a.flags, 1);
        } else {
          while (load_acquire(a.flags) < 2) {
          }
          load_global(a.data);
        }
      },
      {.grid = {3, 1, 1}, .threads = 32});
}

TEST(GlobalRace, APlainLoadOfAnAtomicIsARace) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        if (block_index_x() == 0) atomic_add_relaxed(a.flags, 1);
        if (block_index_x() == 1) {
          if (ordered) {
            load_acquire(a.flags);
          } else {
            load_global(a.flags);
          }
        }
      },
      two_ctas, {"atomic_add_relaxed", "load_global"});
}

TEST(GlobalRace, APlainLoadBeforeAnAdditionIsARaceToo) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        if (thread_index() != 0) return;
        if (block_index_x() == 1) {
          atomic_add_relaxed(a.flags, 1);
        } else if (ordered) {
          load_acquire(a.flags);
        } else {
          load_global(a.flags);
        }
      },
      two_ctas, {"atomic_add_relaxed", "load_global"});
}

TEST(GlobalRace, APlainStoreBesideAnAcquireIsARace) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        if (block_index_x() == 0 && thread_index() == 0) {
          if (ordered) {
            store_release(a.flags, 1);
          } else {
            store_global(a.flags, 1);
          }
        }
        if (block_index_x() == 1) load_acquire(a.flags);
      },
      two_ctas, {"store_global", "load_acquire"});
}

TEST(GlobalRace, AtomicsDoNotRaceWithEachOther) {
  RaceMemory memory;
  const auto kernel = [](const RaceArgs& a) {
    atomic_add_relaxed(a.flags, 1);
    atomic_add_acq_rel(a.flags, 1);
    load_acquire(a.flags);
  };
  EXPECT_NO_FAULT(run_kernel(kernel, memory.args(), {.grid = {8, 1, 1}, .threads = 64}, memory.memory()));
  EXPECT_EQ(*memory.args().flags, 8 * 64 * 2);
}

TEST(GlobalRace, EveryWidthIsExact) {
  // Threads write side by side, 1, 2, 4, 8 and 16 bytes wide, into the same 16-byte lines.
  expect_allowed(
      [](const RaceArgs& a, bool) {
        const u32 t = thread_index();
        store_global(reinterpret_cast<u8*>(a.data) + t, static_cast<u8>(t));
        store_global(reinterpret_cast<u16*>(a.data + 64) + t, static_cast<u16>(t));
        store_global(reinterpret_cast<half*>(a.data + 128) + t, half{static_cast<u16>(t)});
        store_global(a.data + 192 + t, t);
        store_global(reinterpret_cast<u32x2*>(a.data + 256) + t, u32x2{t, t});
        store_global(reinterpret_cast<u32x4*>(a.data + 512) + t, u32x4{t, t, t, t});
      },
      two_warps);
}

template <class T>
void expect_caught_at_width() {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        auto* at = reinterpret_cast<T*>(a.data);
        const u32 t = thread_index();
        store_global(at + t, static_cast<T>(t + 1));
        if (ordered) sync_threads();
        store_global(at + 63 - t, static_cast<T>(200 - t));
      },
      two_warps, {"store_global", "store_global"});
}

TEST(GlobalRace, EveryWidthIsCaught) {
  expect_caught_at_width<u8>();
  expect_caught_at_width<u16>();
  expect_caught_at_width<u32>();
  expect_caught_at_width<u64>();
}

TEST(GlobalRace, WidthsMeet) {
  // A byte inside a 16-byte load, and a 16-byte store over single bytes.
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        const u32 t = thread_index();
        if (t < 32) store_global(reinterpret_cast<u8*>(a.data) + 16 * t + 11, static_cast<u8>(9));
        if (ordered) sync_threads();
        if (t >= 32) load_global(reinterpret_cast<const u32x4*>(a.data) + t - 32);
      },
      two_warps, {"store_global", "load_global"});
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        const u32 t = thread_index();
        if (t < 32) load_global(reinterpret_cast<const u8*>(a.data) + 16 * t + 5);
        if (ordered) sync_threads();
        if (t >= 32) store_global(reinterpret_cast<u32x4*>(a.data) + t - 32, u32x4{1, 1, 1, 1});
      },
      two_warps, {"load_global", "store_global"});
}

TEST(GlobalRace, LaunchesAreOrdered) {
  RaceMemory memory;
  const auto write = [](const RaceArgs& a) { store_global(a.data + thread_index(), 1u); };
  const auto read = [](const RaceArgs& a) { load_global(a.data + 31 - thread_index()); };
  EXPECT_NO_FAULT(run_kernel(write, memory.args(), {}, memory.memory()));
  EXPECT_NO_FAULT(run_kernel(read, memory.args(), {}, memory.memory()));
}

}  // namespace
}  // namespace qoq::tests
