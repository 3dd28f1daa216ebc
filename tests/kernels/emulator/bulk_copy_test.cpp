// cp_async_bulk: what it copies, what it races with, what it may not see, and what is expected of it.
#include <numeric>
#include <random>

#include "tests/kernels/emulator/race_case.h"

namespace qoq::tests {
namespace {

constexpr Shape two_warps{.threads = 64, .shared_bytes = 8192};

QOQ_DEVICE u32 word(u32 i) { return shared_base() + 64 + i * 4; }
QOQ_DEVICE u32 barrier(u32 i) { return shared_base() + i * 8; }

QOQ_DEVICE void init(u32 barriers = 1) {
  fill_shared(64, 1024);
  fence_proxy_async();
  sync_threads();
  if (thread_index() == 0) {
    for (u32 i = 0; i < barriers; ++i) mbarrier_init(barrier(i), 1);
    fence_mbarrier_init();
  }
  sync_threads();
}

/// Thread 0 copies 256 bytes of `from` to word(0) and expects them.
QOQ_DEVICE void copy(const u32* from, u32 i = 0) {
  if (thread_index() != 0) return;
  mbarrier_arrive_expect_tx(barrier(i), 256);
  cp_async_bulk(word(0), from, 256, barrier(i));
}

struct Piece {
  u32 to, from, bytes, barrier;
};
struct PiecesArgs {
  const u8* source;
  u8* out;
  const Piece* pieces;
  u32 count;
};

QOQ_DEVICE void copy_pieces(const PiecesArgs& args) {
  constexpr u32 at = 64;
  init(4);
  if (thread_index() == 0) {
    u32 bytes[4] = {};
    for (u32 i = 0; i < args.count; ++i) bytes[args.pieces[i].barrier] += args.pieces[i].bytes;
    for (u32 i = 0; i < 4; ++i) mbarrier_arrive_expect_tx(barrier(i), bytes[i]);
    for (u32 i = 0; i < args.count; ++i) {
      const Piece piece = args.pieces[i];
      cp_async_bulk(shared_base() + at + piece.to, args.source + piece.from, piece.bytes, barrier(piece.barrier));
    }
  }
  for (u32 i = 0; i < 4; ++i) mbarrier_wait(barrier(i), 0);
  for (u32 i = thread_index() * 16; i < 4096; i += 64 * 16) {
    store_global(reinterpret_cast<u32x4*>(args.out + i), load_shared_u32x4(shared_base() + at + i));
  }
}

TEST(BulkCopy, RandomPiecesArrive) {
  std::mt19937 random(7);
  for (const Options& options : all_options()) {
    alignas(16) std::array<u8, 8192> source;
    alignas(16) std::array<u8, 4096> out{};
    for (u8& byte : source) byte = static_cast<u8>(random());
    std::vector<Piece> pieces;  // tile the 4096 bytes, in any order, from anywhere
    for (u32 to = 0; to < 4096;) {
      const u32 bytes = std::min<u32>(4096 - to, 16 * (1 + static_cast<u32>(random() % 40)));
      pieces.push_back(
          {to, static_cast<u32>(random() % ((8192 - bytes) / 16 + 1)) * 16, bytes, static_cast<u32>(random() % 4)});
      to += bytes;
    }
    std::shuffle(pieces.begin(), pieces.end(), random);
    Memory memory;
    memory.add("source", static_cast<const void*>(source.data()), source.size());
    memory.add("out", out.data(), out.size(), Access::Scratch);
    const PiecesArgs args{source.data(), out.data(), pieces.data(), static_cast<u32>(pieces.size())};
    const Result result = run_kernel([](const PiecesArgs& a) { copy_pieces(a); }, args, two_warps, memory, options);
    ASSERT_FALSE(result.fault) << *result.fault;
    for (const Piece& piece : pieces) {
      ASSERT_TRUE(std::equal(&source[piece.from], &source[piece.from] + piece.bytes, &out[piece.to]));
    }
    EXPECT_EQ(result.counters.bulk_copies, pieces.size());
    EXPECT_EQ(result.counters.buffers.at("source").bytes_read, 4096u);
  }
}

TEST(BulkCopy, ItsReaderMustWait) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init();
        copy(a.source);
        if (ordered || thread_index() == 0) mbarrier_wait(barrier(0), 0);
        load_shared_u32(word(thread_index()));
      },
      two_warps, {"cp_async_bulk", "load_shared"});
}

TEST(BulkCopy, TheIssuingThreadMustWaitToo) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init();
        copy(a.source);
        if (ordered) mbarrier_wait(barrier(0), 0);
        if (thread_index() == 0) load_shared_u32(word(0));
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {"cp_async_bulk", "load_shared"});
}

TEST(BulkCopy, AnotherBarriersPhaseSaysNothing) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init(2);
        copy(a.source);
        if (thread_index() == 0) {
          mbarrier_arrive_expect_tx(barrier(1), 64);
          cp_async_bulk(word(512), a.source, 64, barrier(1));
          mbarrier_wait(barrier(0), 0);
        }
        mbarrier_wait(barrier(1), 0);
        if (ordered) mbarrier_wait(barrier(0), 0);
        load_shared_u32(word(thread_index()));
      },
      two_warps, {"cp_async_bulk", "load_shared"});
}

TEST(BulkCopy, ABarrierWithoutTheWaitIsNotEnough) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init();
        copy(a.source);
        if (ordered && thread_index() == 0) mbarrier_wait(barrier(0), 0);
        sync_threads();
        load_shared_u32(word(thread_index()));
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {"cp_async_bulk", "load_shared"});
}

TEST(BulkCopy, OverABufferThatIsStillRead) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init();
        for (u32 turn = 0; turn < 3; ++turn) {
          copy(a.source + turn * 64);
          mbarrier_wait(barrier(0), turn % 2);
          u32 r[4];
          ldmatrix_x4(r, word(0) + thread_index() % 16 * 16);
          if (ordered || turn == 2) sync_threads();
        }
      },
      two_warps, {"ldmatrix", "cp_async_bulk"});
}

TEST(BulkCopy, TwoToOnePlace) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init(2);
        copy(a.source);
        if (ordered) mbarrier_wait(barrier(0), 0);
        copy(a.source + 64, 1);
        mbarrier_wait(barrier(1), 0);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {"cp_async_bulk", "cp_async_bulk"});
}

TEST(BulkCopy, AStoreOfTheOldValueUnderItIsNotHarmless) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        fill_shared(64, 256);
        fence_proxy_async();
        sync_threads();
        if (thread_index() == 0) mbarrier_init(shared_base() + 4096, 1);
        fence_mbarrier_init();
        if (thread_index() == 0) {
          mbarrier_arrive_expect_tx(shared_base() + 4096, 64);
          cp_async_bulk(shared_base(), a.source, 64, shared_base() + 4096);
          if (ordered) mbarrier_wait(shared_base() + 4096, 0);
          store_shared_u32(shared_base(), 77);  // what is there until the copy lands
          mbarrier_wait(shared_base() + 4096, 0);
        }
      },
      two_warps, {"cp_async_bulk", "store_shared"});
}

TEST(BulkCopy, ItsGlobalReadRacesToo) {
  expect_caught(
      [](const RaceArgs& a, bool ordered) {
        init();
        copy(a.data);
        if (ordered) mbarrier_wait(barrier(0), 0);
        if (thread_index() == 0) store_global(a.data, 1u);  // the very thread that issued it
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {"cp_async_bulk", "store_global"});
}

TEST(BulkCopy, StoresUnderItMustBeFenced) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        store_shared_u32(word(thread_index()), 1);
        if (ordered) fence_proxy_async();
        sync_threads();
        copy(a.source);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, TheFenceComesBeforeTheBarrier) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        store_shared_u32(word(thread_index()), 1);
        if (ordered) fence_proxy_async();
        sync_threads();
        if (!ordered) fence_proxy_async();
        copy(a.source);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, AFenceNobodyHasHeardOfIsNone) {
  // Thread 0's late fence has always happened when thread 32 copies, but nothing orders the two.
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        if (thread_index() == 0) {
          store_shared_u32(word(0), 1);
          if (ordered) fence_proxy_async();
        }
        sync_threads();
        if (thread_index() == 0) {
          if (!ordered) fence_proxy_async();
          atomic_add_relaxed(a.flags, 1);
        } else if (thread_index() == 32) {
          while (load_acquire(a.flags) == 0) {
          }
          mbarrier_arrive_expect_tx(barrier(0), 64);
          cp_async_bulk(word(0), a.source, 64, barrier(0));
          mbarrier_wait(barrier(0), 0);
        }
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, TheFenceComesBehindTheStore) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        if (!ordered) fence_proxy_async();
        store_shared_u32(word(thread_index()), 1);
        if (ordered) fence_proxy_async();
        sync_threads();
        copy(a.source);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, AsynchronousCopiesOf16BytesAreOrdinaryWrites) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        if (thread_index() < 16) cp_async_16(word(thread_index() * 4), a.source);
        cp_async_commit();
        if (!ordered) fence_proxy_async();  // before they have landed: fences nothing
        cp_async_wait<0>();
        if (ordered) fence_proxy_async();
        sync_threads();
        copy(a.source);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, WhatTheLaunchStoredIsNoSource) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        store_global(a.data + thread_index() + (ordered ? 64 : 0), 1u);
        fence_proxy_async();  // of shared memory only
        sync_threads();
        copy(a.data);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, TheBarriersInitMustBeFenced) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        if (thread_index() == 0) mbarrier_init(barrier(0), 1);
        if (ordered) fence_mbarrier_init();
        sync_threads();
        copy(a.source);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MbarrierMisuse});
}

TEST(BulkCopy, AnInitFenceIsNoProxyFence) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        store_shared_u32(word(thread_index()), 1);
        if (ordered) fence_proxy_async();
        fence_mbarrier_init();
        sync_threads();
        copy(a.source);
        mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MissingFence});
}

TEST(BulkCopy, SomebodyMustWaitForIt) {
  expect_fault(
      [](const RaceArgs& a, bool ordered) {
        init();
        copy(a.source);
        if (ordered) mbarrier_wait(barrier(0), 0);
      },
      two_warps, {FaultKind::MbarrierMisuse});
}

/// Two copies of 256 bytes; `expected` announced.
template <u32 expected>
Result run_expecting(const Options& options) {
  RaceMemory memory;
  return run_kernel(
      [](const RaceArgs& a) {
        init();
        if (thread_index() == 0) {
          mbarrier_arrive_expect_tx(barrier(0), expected);
          cp_async_bulk(word(0), a.source, 256, barrier(0));
          cp_async_bulk(word(64), a.source, 256, barrier(0));
        }
        mbarrier_wait(barrier(0), 0);
        load_shared_u32(word(thread_index()));
        load_shared_u32(word(64 + thread_index()));
      },
      memory.args(), two_warps, memory.memory(), options);
}

TEST(BulkCopy, ExpectedBytesMustBeThoseCopied) {
  for (const Options& options : all_options()) {
    EXPECT_NO_FAULT(run_expecting<512>(options));
    const Result more = run_expecting<528>(options);
    EXPECT_EQ(more.kind, FaultKind::Deadlock);
    EXPECT_NE(more.fault->find("0 of 1 arrivals missing, 16 bytes missing"), std::string::npos) << *more.fault;
    const Result fewer = run_expecting<496>(options);
    EXPECT_EQ(fewer.kind, FaultKind::Deadlock);
    EXPECT_NE(fewer.fault->find("16 bytes more than expected"), std::string::npos) << *fewer.fault;
    // Exactly one copy's worth: the phase ends between the two.
    const Result half = run_expecting<256>(options);
    EXPECT_TRUE(half.kind == FaultKind::MbarrierMisuse || half.kind == FaultKind::Race) << half.fault.value_or("none");
    EXPECT_NE(run_expecting<0>(options).kind, FaultKind::None);
  }
}

template <class Kernel>
FaultKind kind_of(Kernel kernel) {
  RaceMemory memory;
  return run_kernel(kernel, memory.args(), {.shared_bytes = 1024}, memory.memory()).kind;
}

TEST(BulkCopy, IllegalOperands) {
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(0), a.source, 0, barrier(0)); }),
            FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(0), a.source, 24, barrier(0)); }),
            FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(1), a.source, 16, barrier(0)); }),
            FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(0), a.source + 1, 16, barrier(0)); }),
            FaultKind::IllegalOperand);
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(0), a.source, 1024, barrier(0)); }),
            FaultKind::OutOfBounds);
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(0), a.source + 1020, 32, barrier(0)); }),
            FaultKind::OutOfBounds);
  EXPECT_EQ(kind_of([](const RaceArgs& a) { cp_async_bulk(word(0), a.source, 16, barrier(0)); }),
            FaultKind::MbarrierMisuse);  // nobody initialised it
}

}  // namespace
}  // namespace qoq::tests
